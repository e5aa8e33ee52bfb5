"""The OCI distribution API (specification 1.1) under /v2/: plain ASGI, as image layers must not pass through the JSON API's limits."""
