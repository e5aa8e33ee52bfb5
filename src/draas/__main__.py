"""`python -m draas`: the same program as the installed `draas`."""

from draas.cli.main import main

main()
