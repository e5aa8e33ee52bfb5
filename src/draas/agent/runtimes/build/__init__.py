"""Builds: source in, image out, by the machine's own Docker Engine and within limits."""
