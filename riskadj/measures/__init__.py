"""How good predictions are: every metric as a pure function of cost, prediction and weight."""
