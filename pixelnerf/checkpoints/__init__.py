"""Checkpoints: ours, shared files, and those of the original programs."""
