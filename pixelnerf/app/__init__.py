"""The front door: photos in; pictures, videos, meshes and pages out."""
