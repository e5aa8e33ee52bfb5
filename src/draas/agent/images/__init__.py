"""The controller's registry as this machine's engine sees it: on a loopback address, carried over the node's own connection."""
