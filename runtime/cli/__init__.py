"""The command line: thin commands that load the stages they need by name when called."""
