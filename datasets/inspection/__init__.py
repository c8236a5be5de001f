"""Whether cameras are right: numbers, pictures and warnings by name."""
