"""Evaluation: how good the model is, how sure that is, and where it fails."""
