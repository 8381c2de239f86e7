"""inference: labels for any new file, through the exported bundle."""
