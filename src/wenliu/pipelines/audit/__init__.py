"""Audit: what may be learned from, and what a score may claim."""
