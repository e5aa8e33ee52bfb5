"""The controller: API, link to the agents, control loop."""
