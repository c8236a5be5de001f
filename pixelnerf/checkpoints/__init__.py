"""Checkpoints: ours, shared weights, and those of the original programs."""
