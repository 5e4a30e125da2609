"""`python -m cirray`: the command line, where its script is not on the path."""

from cirray.cli.app import main

main()
