"""The command line: the one package that may know every service."""
