"""Pages of a small volume, as `pixelnerf render` saves them."""

import torch
from baked_volumes import UP, ball_with_thin_parts, ring_camera

from pixelnerf.app.page import save_page

START = ring_camera(20, 30)
HOSTILE = '</title><script>document.title = "taken"</script>"\'&'


def write(path, volume=None, photos=(), title="a ball"):
    """Saves the page and returns its path."""
    fallback = torch.full((64, 64, 3), 0.25)
    save_page(path, volume or ball_with_thin_parts(), photos, START, UP, fallback, title)
    return path
