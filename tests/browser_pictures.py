"""What a browser with software WebGL shows, as numbers."""

import io
import math

import numpy as np
import torch
from PIL import Image

SOFTWARE_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]


def pixels(png):
    """A PNG as (height, width, 3) in [0, 1]."""
    with Image.open(io.BytesIO(png)) as picture:
        return torch.from_numpy(np.asarray(picture.convert("RGB"), np.float32) / 255)


def psnr(image, truth):
    return -10 * math.log10(max(float(((image - truth) ** 2).mean()), 1e-10))
