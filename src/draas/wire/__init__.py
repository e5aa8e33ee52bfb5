"""What crosses between agent, controller and API clients; versioned."""
