"""The commands beside `run`: load a file, show the state, print the settings."""
