"""Ingestion: raw files to examples, bad rows to quarantine."""
