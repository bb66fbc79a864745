"""Training a model: statistics, constrained fits, trees, and the metrics that judge them."""
