"""The control loop: take, decide, commit, act."""
