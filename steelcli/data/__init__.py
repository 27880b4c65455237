"""Raw files in, pixels and truth out: formats, splits, the prepared store, predictions."""
