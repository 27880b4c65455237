"""Raw files in, batches out: codecs, raw formats, letterbox, splits, the prepared store,
augmentation."""
