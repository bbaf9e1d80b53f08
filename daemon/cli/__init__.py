"""What `heliograph` does when it is called: one command a file, each imported when it is used."""
