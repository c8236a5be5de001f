"""The front door: from photos to pictures, a video, a mesh, and something to turn with the mouse."""
