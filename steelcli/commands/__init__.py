"""One module a command: it wires the rooms together."""
