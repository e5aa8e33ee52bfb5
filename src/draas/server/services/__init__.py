"""Use cases: what the API may ask of the controller."""
