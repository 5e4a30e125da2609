"""The command line: verbs to functions."""
