"""Many nights in minutes: real runs in their own processes, with everything that can go wrong."""
