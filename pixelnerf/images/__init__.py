"""Image metrics, and pictures of depth and error."""
