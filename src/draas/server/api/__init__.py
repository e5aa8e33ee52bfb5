"""HTTP in and out: routes, validation, problem documents."""
