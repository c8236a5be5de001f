"""Multi-view datasets: one reader a format, all giving the same scenes in the same conventions."""
