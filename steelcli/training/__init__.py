"""One training: loop, state, loading, losses."""
