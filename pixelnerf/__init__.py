"""Few-shot view synthesis: pixelNeRF's image conditioning with mip-NeRF's cones."""

__version__ = "0.1.0"
