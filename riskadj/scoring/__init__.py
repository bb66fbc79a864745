"""Raw scores, payment scores and their explanation."""
