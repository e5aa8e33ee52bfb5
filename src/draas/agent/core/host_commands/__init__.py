"""Host commands, read without being run, and those that are refused. Start at refused.py."""
