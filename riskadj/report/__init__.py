"""Report: the card, page and figures of a trained model, and the actuary's statements."""
