"""What the agent measures of its machine."""
