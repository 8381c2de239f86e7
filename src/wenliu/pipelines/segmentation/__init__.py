"""Segmentation: word borders for the baseline, the keywords and explanations."""
