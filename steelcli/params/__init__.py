"""One section of params.yaml a module, so that a stage depends on its own sections alone."""
