"""`object.html`: a baked volume to turn with the mouse, in one file that fetches nothing.

The volume's cells are coded in bytes, deflated, and marched in WebGL 2 by the shader `page/march.glsl`. The optical
depth of a cell, tau = density * cell, is coded logarithmically, so that haze and solid matter keep the same relative
precision; the colours' coefficients are coded linearly between their extremes over the cells that stop light.

A pixel wider than a cell is filled with n x n rays instead of one through a coarser level of the volume: averaged
densities make surfaces and thin parts swell, and a small object has few pixels to fill.
"""

import base64
import hashlib
import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.model.baked import BakedVolume
from pixelnerf.tools.files import refusal_in_a_line, write_atomically
from pixelnerf.types import Cameras

TEMPLATES = Path(__file__).parent / "page"
SCRIPTS = ("camera.js", "volume.js", "renderer.js", "page.js")
LARGEST_FILE = 5_000_000
"""Bytes: what a page may weigh."""
LARGEST_OPTICAL_DEPTH = 64.0
"""Of a cell: it passes e^-64 of the light, and denser ones are no darker."""
SHARPNESS = 100.0
"""The code of tau is proportional to log(1 + SHARPNESS * tau): linear below 1 %, relative above."""
SURE_OPACITY = 0.01
"""Colours of cells that stop less of the light do not widen the range of the codes."""
SWAY = math.radians(30)
"""How far an object made from a single photo sways: farther away, most is guessed."""
PHOTO_SIDE = 320
"""Pixels of the longer side of a photo in the page, at most."""
DEPTH_COLORS = 16


def save_page(
    path: Path,
    volume: BakedVolume,
    photos: Sequence[Float[Tensor, "_ _ _"]],
    start: Cameras,
    up: Float[Tensor, "3"],
    fallback: Float[Tensor, "height width channel"],
    title: str,
) -> None:
    """Writes the page. It opens from a disk or a server, and its Content-Security-Policy forbids it any request.

    Until a visitor takes over, the object turns. From a single photo it sways about the first view instead, since most
    of what lies behind is guessed.

    Scripts on the page, such as a test, get exact pictures by
    `(await window.pixelnerfObject).render({pose, intrinsics, size})`, which returns the URL of a PNG.

    Args:
        path: the file, usually `object.html`; its folder exists.
        volume: what is shown.
        photos: that the object was made from, shown beside it: (height, width, 3 or 4), in [0, 1], of any sizes.
        start: the first view: one camera, without batch axes.
        up: the direction, in the world, about which the object turns.
        fallback: the first view, rendered, for browsers without WebGL 2 and until the volume is ready: (height, width,
            3 or 4), in [0, 1]. With opacity as its fourth channel it suits dark pages too.
        title: of the page; any text.

    Raises:
        UserError: the volume is empty, the file would be larger than 5 MB, or it cannot be written.
    """
    codes, description = pack_volume(volume)
    page = _fill_template(
        title=title,
        photos=[_embedded(photo) for photo in photos],
        fallback=_embedded(fallback, side=1024),
        volume=base64.b64encode(codes).decode(),
        description=description
        | {
            "start": {
                "pose": start.poses.tolist(),
                "intrinsics": start.intrinsics.tolist(),
                "size": start.sizes.tolist(),
            },
            "up": up.tolist(),
            "sway": SWAY if len(photos) == 1 else None,
            "depthColors": colormaps["viridis"](np.linspace(0, 1, DEPTH_COLORS))[:, :3].tolist(),
        },
    ).encode("utf-8", "replace")  # a name of a file may hold what is no text
    if len(page) > LARGEST_FILE:
        raise UserError(
            f"{path} would have {len(page) / 1e6:.1f} MB, and {LARGEST_FILE / 1e6:.0f} are the most a page may have: "
            f"bake fewer cells than {' x '.join(map(str, volume.density.shape))}, or show fewer photos"
        )
    with refusal_in_a_line(path):
        write_atomically(path, page)


def pack_volume(volume: BakedVolume) -> tuple[bytes, dict[str, Any]]:
    """The volume in bytes, deflated, and what `page/volume.js` needs to read them.

    One plane of densities for all cells, x fastest; then, for each coefficient of the colours (basis by basis, red,
    green, blue), a plane of the cells whose density's code is not zero, in the same order.

    Raises:
        UserError: no cell stops any light.
        ValueError: a value is not finite.
    """
    optical_depth = (volume.density * volume.cell).cpu().double().clamp(0, LARGEST_OPTICAL_DEPTH).numpy().T
    colors = volume.colors.cpu().double().flatten(-2).permute(2, 1, 0, 3).numpy()
    if not (np.isfinite(optical_depth).all() and np.isfinite(colors).all()):
        raise ValueError("the baked volume has values that are not finite")
    largest = optical_depth.max()
    if largest < 1e-3:
        raise UserError("the baked volume is empty, nothing in it stops light: check that the photos show the object")
    density_codes = np.rint(255 * np.log1p(SHARPNESS * optical_depth) / np.log1p(SHARPNESS * largest)).astype(np.uint8)
    occupied = density_codes > 0
    coefficients = colors[occupied]
    opacity = -np.expm1(-optical_depth[occupied])
    sure = coefficients[opacity >= min(SURE_OPACITY, opacity.max())]
    low, high = sure.min(0), sure.max(0)
    shares = (coefficients - low) / np.maximum(high - low, 1e-12)
    color_codes = np.rint(255 * shares.clip(0, 1)).astype(np.uint8)
    description = {
        "cells": list(volume.density.shape),
        "corner": volume.corner.tolist(),
        "axes": volume.axes.T.tolist(),
        "cell": volume.cell.item(),
        "density": {"sharpness": SHARPNESS, "largest": float(largest)},
        "occupied": int(occupied.sum()),
        "ranges": np.stack([low, high], axis=-1).tolist(),
    }
    return zlib.compress(density_codes.tobytes() + color_codes.T.tobytes(), level=9), description


def _fill_template(**values: Any) -> str:
    """The page's HTML: everything from outside is escaped, and only our own style and script may act."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (TEMPLATES / "page.css").read_text("utf-8")
    script = "".join((TEMPLATES / name).read_text("utf-8") for name in SCRIPTS)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    shader = (TEMPLATES / "march.glsl").read_text("utf-8")
    # Our own files, which hold no closing tag of a script or a style.
    own = {"style": Markup(style), "script": Markup(script), "shader": Markup(shader), "policy": Markup(policy)}
    return environment.get_template("page.html.j2").render(**own, **values)


def _digest(text: str) -> str:
    """How a Content-Security-Policy names an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(image: Float[Tensor, "height width channel"], side: int = PHOTO_SIDE) -> str:
    """An image as the URL of a WebP, made smaller where a side is longer."""
    levels = (image.cpu().float().clamp(0, 1) * 255).round().byte().numpy()
    picture = Image.fromarray(levels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
