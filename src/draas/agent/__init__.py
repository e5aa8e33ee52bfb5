"""The process on each machine that runs allocations."""
