"""The docker runtime: allocations as containers of a Docker Engine (API 1.41 or later)."""
