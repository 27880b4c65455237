"""The network, its checkpoints, and what it takes to run it."""
