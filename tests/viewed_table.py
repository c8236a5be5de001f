"""An encoded object of two photos, and a running viewer of it."""

import functools
import socket
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageDraw

import pixelnerf
from pixelnerf.app.paths import orbit
from pixelnerf.app.viewer import Viewer


def draw_table(legs):
    """Something like a red table in the middle of a square photo on white."""
    image = Image.new("RGB", (200, 200), "white")
    pen = ImageDraw.Draw(image)
    pen.polygon([(40, 80), (110, 60), (160, 85), (90, 110)], fill=(190, 40, 30))
    for x, y in ((44, 84), (92, 112), (156, 88)):
        pen.rectangle([x - 4, y, x + 4, y + 45], fill=legs)
    return np.asarray(image)


@functools.cache
def model():
    return pixelnerf.load(device="cpu")


@functools.cache
def table():
    """Of two photos, 90 degrees apart, in a world of its own: the middle at (5, 5, 5), 10 long."""
    cameras = orbit(azimuth=(0, 90), elevation=30, distance=27.0, field_of_view=30, frames=2, size=(200, 200))
    cameras.poses[:, :3, 3] += 5.0
    photos = [draw_table((120, 25, 20)), draw_table((20, 25, 120))]
    given = [pixelnerf.Camera.of(cameras[index]) for index in range(2)]
    return model().encode(photos, given, center=[5.0] * 3, length=10.0)


@contextmanager
def running_viewer(name, folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    viewer = Viewer(model(), table(), name, folder, "127.0.0.1", port)
    yield viewer
    viewer.stop()
