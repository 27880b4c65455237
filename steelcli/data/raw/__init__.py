"""The raw formats, one a module, all read into the same stream of samples."""
