"""ACME: the controller as a client of RFC 8555, for certificates of hosts by HTTP-01."""
