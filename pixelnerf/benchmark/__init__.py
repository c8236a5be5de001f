"""How fast training and rendering are, measured against the way the original program computes."""
