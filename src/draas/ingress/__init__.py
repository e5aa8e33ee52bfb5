"""Ingress: routes to proxy configuration (pure), and the proxy kept running by it."""
