"""Durable state and logs: the Store protocol and what implements it."""
