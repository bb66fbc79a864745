"""The publication pages of a trained model: figures, report and card."""
