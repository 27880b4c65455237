"""The prepared store: what `prepare` writes and every later stage reads."""
