"""What runs allocations: docker, process, and the fake that passes the same contract."""
