"""Typed async client over the public API."""
