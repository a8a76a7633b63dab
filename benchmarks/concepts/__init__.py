"""The comparison of TokenVerse with its baselines on Pocket, scored against the picture world's ground truth."""
