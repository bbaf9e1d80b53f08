"""What `heliograph` does when it is called: one command a file, each imported when it is used."""

WRONG = 2
"""The exit code when what the operator wrote is wrong."""
