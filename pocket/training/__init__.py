"""Trains Pocket from scratch: `python -m pocket.training` runs the stages in order and goes on where it stopped."""
