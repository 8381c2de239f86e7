"""Compares the newest rows with those that were there before."""
