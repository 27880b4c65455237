"""Another model's maps and masks."""
