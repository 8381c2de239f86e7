"""Cleaning: what the model will read, and the way back to the raw characters."""
