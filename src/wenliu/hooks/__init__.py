"""Hooks: what happens around nodes. Datasets store, hooks check, pin, track and report."""
