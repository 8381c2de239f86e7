"""Splitting: who is training, validation, test."""
