"""Pure: what the agent decides."""
