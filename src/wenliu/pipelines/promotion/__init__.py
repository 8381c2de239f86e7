"""Promotion: may the new model serve? Five groups of checks, one record, one answer."""
