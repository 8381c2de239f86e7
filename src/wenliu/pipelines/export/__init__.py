"""export: the one folder that is all a server needs, proven equal to what was evaluated."""
