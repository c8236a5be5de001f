"""Opens the viewer in a headless Chromium and says how fast it is: `python scripts/try_viewer.py [--picture FILE]`.

The object is a chair of shapes13, from three photos. It is turned with the mouse for some seconds; what counts as a
frame is a picture that the browser has received, decoded and handed to WebGL, with its depth. Then the mouse rests, and
`exact` refines the picture to its end. The size of pictures does not depend on the window's, which is small and drawn
at a tenth of the resolution: without a GPU a browser would take the cores that the viewer uses.
"""

import argparse
import contextlib
import io
import os
import re
import shutil
import socket
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console

import pixelnerf
from datasets.meshes.materials import painted_surface
from datasets.meshes.raycast import RayCaster
from datasets.meshes.rig import ring
from datasets.shapes13.catalog import make_mesh
from pixelnerf.app.api import Model, Scene
from pixelnerf.app.viewer import Viewer
from pixelnerf.entry import composed_values, run_plain
from pixelnerf.errors import UserError
from pixelnerf.tools.files import write_atomically

CONFIG_FOLDER = Path(__file__).resolve().parents[1] / "conf"
CATEGORY, OBJECT, SEED = "chair", 1, 0
VIEWS, PHOTOS, SIDE = 24, (1, 9, 17), 256
UP = (0.0, 1.0, 0.0)
WINDOW, SMALL_WINDOW = (1280, 720), (720, 297)
PATIENCE = 3_600_000
"""Milliseconds: a busy machine takes its time."""
REFINED = re.compile("exact, 100%")
NO_NOTICES = ".mantine-Notifications-root { display: none }"
"""viser warns of WebGL without a GPU."""
COUNT_PICTURES = """
window.pictureHeights = [];
for (const name of ["texImage2D", "texSubImage2D"]) {
  const upload = WebGL2RenderingContext.prototype[name];
  WebGL2RenderingContext.prototype[name] = function (...values) {
    const source = values[values.length - 1];
    if (source instanceof HTMLImageElement) window.pictureHeights.push(source.naturalHeight);
    return upload.apply(this, values);
  };
}
"""


def main() -> None:
    """Serves, turns, refines, and prints what was seen."""
    from pixelnerf.tools.process import prepare_process

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--picture", type=Path, help="PNG of the window to write, when it is refined")
    parser.add_argument("--seconds", type=float, default=10.0, help="of turning")
    arguments = parser.parse_args()
    prepare_process()
    model = pixelnerf.load("shapes13_all")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    picture = arguments.picture and arguments.picture.resolve()
    # The window shows where it saves: the same for everyone who makes the picture.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        viewer = Viewer(model, _encode(model), CATEGORY, Path(f"{CATEGORY}_view"), "127.0.0.1", port)
        try:
            _try(viewer.url, arguments.seconds, picture)
        finally:
            viewer.stop()


def _encode(model: Model) -> Scene:
    rig = ring(VIEWS)
    synset = composed_values(CONFIG_FOLDER, "dataset/shapes13")["dataset"]["synsets"][CATEGORY]
    seen = RayCaster(painted_surface(make_mesh(CATEGORY, synset, OBJECT, SEED))).render(rig, SIDE)
    cameras = []
    for view in PHOTOS:
        focal = float(rig.focals[view]) * SIDE / 2
        intrinsics = torch.tensor([[focal, 0, SIDE / 2], [0, focal, SIDE / 2], [0, 0, 1]])
        cameras.append(pixelnerf.Camera(torch.from_numpy(rig.poses[view]).float(), intrinsics, (SIDE, SIDE)))
    masks = [torch.from_numpy(seen.masks[view]).float()[None] for view in PHOTOS]
    return model.encode([seen.images[view] for view in PHOTOS], cameras, masks=masks, up=UP)


def _try(url: str, seconds: float, picture: Path | None) -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise UserError("a browser is driven by playwright: pip install 'pixelnerf[dev]'") from None
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        raise UserError("no browser: install chromium, or name one: CHROMIUM=/path/to/chrome")
    flags = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
    console = Console()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        page = _open(browser, url, SMALL_WINDOW, resolution=0.1)
        heights, spent = _turn(page, seconds)
        # Each frame is two pictures of one size: colours and depth.
        console.print(
            f"turning: {len(heights) / 2 / spent:.1f} frames a second in {spent:.0f} s, "
            f"{np.median(heights):.0f} pixels high ({min(heights)} to {max(heights)})"
        )
        console.print(f"at rest: {page.get_by_text('baked, ').inner_text()}")
        console.print(f"refined: {page.get_by_text(REFINED).inner_text()}")
        page.close()
        if picture is not None:
            page = _open(browser, url, WINDOW, resolution=1.0)
            page.get_by_text(REFINED).wait_for()
            _write(picture, page.screenshot(style=NO_NOTICES))
        browser.close()


def _open(browser: Any, url: str, window: tuple[int, int], resolution: float) -> Any:
    """A window of the viewer; without `fixedDpr` viser chooses the canvas's resolution by the machine's speed."""
    page = browser.new_page(viewport={"width": window[0], "height": window[1]})
    page.set_default_timeout(PATIENCE)
    page.add_init_script(COUNT_PICTURES)
    page.goto(f"{url}?fixedDpr={resolution}")
    page.get_by_text("baked, ").wait_for()
    return page


def _turn(page: Any, seconds: float) -> tuple[list[int], float]:
    """Heights of all pictures that arrived while the object was turned to and fro, and the seconds that took."""
    page.mouse.move(50, 270)
    page.mouse.down()
    page.evaluate("window.pictureHeights.length = 0")
    start = time.perf_counter()
    for step in cycle((*range(100), *range(100, 0, -1))):
        page.mouse.move(50 + step, 270)
        if time.perf_counter() - start > seconds:
            break
    heights, spent = page.evaluate("[...window.pictureHeights]"), time.perf_counter() - start
    page.mouse.up()
    if not heights:
        raise UserError(f"no picture arrived in {spent:.0f} s")
    return heights, spent


def _write(path: Path, png: bytes) -> None:
    content = io.BytesIO()
    with Image.open(io.BytesIO(png)) as window:
        window.convert("RGB").save(content, format="PNG", optimize=True)
    write_atomically(path, content.getvalue())


if __name__ == "__main__":
    run_plain(main, interrupted="stopped")
