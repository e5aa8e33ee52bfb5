"""Routes to a proxy's configuration (pure text), and the proxy that runs by it."""
