"""DRaaS: one cloud out of the machines you own."""
