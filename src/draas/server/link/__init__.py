"""The WebSocket to the agents."""
