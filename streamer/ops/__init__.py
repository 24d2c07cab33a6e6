"""The command `ops`: outcomes in tumbling windows, in a process and a group of its own; nothing depends on it."""
