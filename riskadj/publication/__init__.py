"""Publication: what may leave the house, the published folder, and how a reader verifies it."""
