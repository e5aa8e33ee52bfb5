"""Fakes, builders and the simulated cluster, versioned with what they stand for."""
