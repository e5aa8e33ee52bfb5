"""The simulated cluster: the real pure cores of controller and agents on a simulated network, disk and clock. One seed, one run."""
