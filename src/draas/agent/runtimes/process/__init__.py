"""Host jobs: a supervisor that outlives the agent and holds the processes, and the agent's side of it."""
