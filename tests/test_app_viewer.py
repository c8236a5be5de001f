"""`pixelnerf view`, in a real browser, beside our own renders."""

import io
import math
import os
import shutil
import socket
import sys
from functools import partial

import numpy as np
import pytest
import torch
from baked_volumes import averaged, ball_with_thin_parts, frame, ring_camera
from PIL import Image, ImageDraw

import pixelnerf
from pixelnerf.app.api import Picture, Scene
from pixelnerf.app.camera_path import read_camera_path
from pixelnerf.app.paths import orbit
from pixelnerf.app.training_world import Placement
from pixelnerf.app.viewed_object import SaveFolder
from pixelnerf.app.viewer import (
    START_DISTANCE,
    START_ELEVATION,
    START_FIELD_OF_VIEW,
    START_TURN,
    Viewer,
    check_address,
)
from pixelnerf.app.viewer_panel import ZOOM
from pixelnerf.app.viewer_pictures import compare_zoomed_out, refine_in_tiles, render_points, shown_colors
from pixelnerf.errors import UserError

HOSTILE = "</title><img src=x onerror=\"document.title='taken'\"><script>alert(1)</script>{1+1}**\"'&"
WIDTH, HEIGHT = 640, 256
# Of the controls, which stand beside the picture.
PANEL = 324
PICTURE_ALONE = "body * { visibility: hidden !important } canvas { visibility: visible !important }"


def psnr(image, truth):
    return -10 * math.log10(max(float(((image - truth) ** 2).mean()), 1e-10))


def draw_table(legs):
    """Something like a red table in the middle of a square photo on white."""
    image = Image.new("RGB", (200, 200), "white")
    pen = ImageDraw.Draw(image)
    pen.polygon([(40, 80), (110, 60), (160, 85), (90, 110)], fill=(190, 40, 30))
    for x, y in ((44, 84), (92, 112), (156, 88)):
        pen.rectangle([x - 4, y, x + 4, y + 45], fill=legs)
    return np.asarray(image)


@pytest.fixture(scope="module")
def model():
    return pixelnerf.load(device="cpu")


@pytest.fixture(scope="module")
def scene(model):
    """Of two photos, in a world of its own."""
    cameras = orbit(azimuth=(0, 90), elevation=30, distance=27.0, field_of_view=30, frames=2, size=(200, 200))
    cameras.poses[:, :3, 3] += 5.0
    photos = [draw_table((120, 25, 20)), draw_table((20, 25, 120))]
    given = [pixelnerf.Camera.of(cameras[index]) for index in range(2)]
    return model.encode(photos, given, center=[5.0] * 3, length=10.0)


@pytest.fixture(scope="module")
def viewer(model, scene, tmp_path_factory):
    pytest.importorskip("viser", reason="viser is not installed (extra `viewer`)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Viewer(model, scene, HOSTILE, tmp_path_factory.mktemp("view") / "saved", "127.0.0.1", port)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra `dev`)")
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is on the PATH, and CHROMIUM names none")
    flags = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=flags)
        # All windows share what the browser keeps of viser's page.
        yield started.new_context(viewport={"width": WIDTH + PANEL, "height": HEIGHT})
        started.close()


@pytest.fixture
def page(browser, viewer):
    """A new window of all photos, without their frusta and without refinement, its picture as large as the window."""
    for index in range(len(viewer.viewed.photos)):
        viewer.viewed.include(index, True)
    opened = browser.new_page()
    faults = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("dialog", lambda dialog: faults.append(dialog.message) or dialog.dismiss())
    own = (viewer.url, "blob:", "data:")
    opened.on("request", lambda request: None if request.url.startswith(own) else faults.append(request.url))
    opened.goto(viewer.url)
    opened.get_by_label("refine at rest").click(timeout=60_000)
    opened.get_by_label("show cameras").click()
    set_number(opened, "size", HEIGHT)
    opened.get_by_text(f"baked, {WIDTH} x {HEIGHT}").wait_for(timeout=60_000)
    yield opened
    opened.close()
    assert faults == []


# Labels are compared whole: viser's own settings, in a tab that is hidden, have similar ones.
def set_number(page, label, value):
    row = page.locator(f"label:text-is('{label}') >> xpath=ancestor::*[.//input[@inputmode]][1]")
    row.locator("input[inputmode]").fill(str(value))
    row.locator("input[inputmode]").press("Enter")
    # The slider beside it: who leaves the box before it has moved brings the old number back.
    row.locator(f"input[type=hidden][value='{value}']").wait_for(state="attached")


def choose(page, shown):
    page.get_by_label("show", exact=True).click()
    page.get_by_role("option", name=shown, exact=True).click()


def seen(page):
    """The picture without the panel and messages over it, in [0, 1]."""
    with Image.open(
        io.BytesIO(page.screenshot(style=PICTURE_ALONE, clip={"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT}))
    ) as picture:
        return torch.from_numpy(np.asarray(picture.convert("RGB"), np.float32) / 255)


def wait_for(page, holds):
    """Looks at the page until what is seen is as wanted; a loaded machine takes its time."""
    for _ in range(150):
        if holds(image := seen(page)):
            return image
        page.wait_for_timeout(200)
    raise AssertionError("the page never showed what was expected")


def shows(truth, image):
    return psnr(image, torch.as_tensor(truth)) > 35


def first_camera(scene):
    """A window's, in the scene's own world."""
    assert START_FIELD_OF_VIEW == 30
    return scene.camera(START_TURN, START_ELEVATION, 2.732 / START_DISTANCE)


def rendered(scene, background=(1.0, 1.0, 1.0)):
    """What a window's first camera sees."""
    return scene.render(first_camera(scene), (WIDTH, HEIGHT), background=background)


def test_the_page_shows_what_we_render(page, scene):
    truth = rendered(scene)
    image = wait_for(page, partial(shows, truth.color))
    # The object, not the background, is what agrees.
    assert ((image - 1).abs().amax(-1) > 0.1).float().mean() > 0.05


def test_names_are_text(page):
    page.get_by_text(HOSTILE).first.wait_for()
    assert page.title() != "taken"
    assert page.locator("img[src=x]").count() == 0


def test_depth_and_opacity(page, scene):
    truth = rendered(scene)
    choose(page, "depth")
    wait_for(page, partial(shows, shown_colors(truth, "depth", START_DISTANCE * 10, 10.0)))
    choose(page, "opacity")
    wait_for(page, partial(shows, shown_colors(truth, "opacity", START_DISTANCE * 10, 10.0)))
    choose(page, "colour")
    wait_for(page, partial(shows, truth.color))


def test_points_stand_beside_cones(page, scene):
    truth = compare_zoomed_out(
        scene.render,
        scene.volume,
        first_camera(scene).pose,
        math.radians(START_FIELD_OF_VIEW),
        (WIDTH, HEIGHT),
        ZOOM,
        lambda picture: picture.color.numpy(),
    )
    page.get_by_label("side by side").click()
    wait_for(page, partial(shows, truth))
    page.get_by_label("side by side").click()
    wait_for(page, partial(shows, rendered(scene).color))


def test_leaving_a_photo_out_encodes_the_other_one(page, scene, viewer, model):
    alone = Scene(model, scene.photos[1:], scene.placement)
    page.get_by_label("photo 0", exact=True).click()
    wait_for(page, partial(shows, rendered(alone).color))
    assert viewer.viewed.included == (1,)
    page.get_by_label("photo 1", exact=True).click()
    page.get_by_text("one photo has to stay").wait_for()
    assert viewer.viewed.included == (1,)
    page.get_by_label("photo 0", exact=True).click()
    wait_for(page, partial(shows, rendered(scene).color))
    assert viewer.viewed.included == (0, 1)


def test_files_are_saved_where_the_message_says(page, scene, viewer):
    set_number(page, "seconds", 1)
    for kind in ("frame", "path of cameras", "video"):
        page.get_by_role("button", name=kind, exact=True).click()
    for name in ("frame_000.png", "camera_path_000.json", "video_000.mp4"):
        page.get_by_text(f"saved/{name}").wait_for(timeout=60_000)
    folder = viewer.folder
    with Image.open(folder / "frame_000.png") as picture:
        image = torch.from_numpy(np.asarray(picture, np.float32) / 255)
    assert psnr(image, rendered(scene).color) > 40
    # A turn around the object in the photos' own world.
    path = read_camera_path(folder / "camera_path_000.json")
    positions = path.cameras.poses[:, :3, 3]
    assert len(positions) == 30
    assert torch.allclose((positions - 5.0).norm(dim=-1), torch.tensor(10 * START_DISTANCE), rtol=1e-3)
    assert torch.allclose(positions[0], first_camera(scene).pose[:3, 3], atol=0.05)
    assert (folder / "video_000.mp4").stat().st_size > 1000


def test_dragging_turns_it(page, scene):
    before = wait_for(page, partial(shows, rendered(scene).color))
    # Below viser's notice that WebGL is software, which stays for a while.
    page.mouse.move(100, 230)
    page.mouse.down()
    page.mouse.move(180, 210, steps=4)
    page.mouse.up()
    wait_for(page, lambda image: psnr(image, before) < 25)


def test_only_this_machine_is_served(viewer):
    with socket.create_connection(("127.0.0.1", viewer.port), timeout=5):
        pass
    # Another address of the same machine.
    with pytest.raises(OSError, match=r"refused|assign|unreachable|timed out"):
        socket.create_connection(("127.0.0.2", viewer.port), timeout=5)


def test_a_port_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is in use; choose another, as in --port {port + 1}"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("nowhere.invalid", 8080), ("127.0.0.1", 0), ("127.0.0.1", 70000)])
def test_addresses_that_cannot_be(host, port):
    with pytest.raises(UserError, match=r"--host|--port"):
        check_address(host, port)


def test_no_viser_is_one_line(model, scene, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(UserError, match="pip install 'pixelnerf\\[viewer\\]'"):
        Viewer(model, scene, "a table", tmp_path, "127.0.0.1", 8080)


def drawn(volume, camera):
    image = frame(volume, camera)
    return Picture(image.color, image.opacity, image.median_distance, camera)


@pytest.mark.parametrize("factor", [3, 8])
def test_points_miss_what_cones_see(factor):
    """Against the mean over the pixels' area of a large picture, and against its single rays."""
    volume = ball_with_thin_parts()
    small, large = ring_camera(100, 20, size=24), ring_camera(100, 20, size=24 * factor)
    fine = frame(volume, ring_camera(100, 20, size=24 * 9)).color

    draw = partial(drawn, volume)
    points = render_points(draw, volume, small)
    assert torch.allclose(points.color, fine[4::9, 4::9], atol=1e-4)
    truth = averaged(frame(volume, large).color, factor)
    assert psnr(draw(small).color, truth) > psnr(points.color, truth) + 3


def test_both_halves_show_the_middle():
    volume, camera = ball_with_thin_parts(), ring_camera(100, 20)

    draw = partial(drawn, volume)
    image = compare_zoomed_out(
        draw, volume, camera.poses, math.radians(30), (128, 64), 4, lambda picture: picture.color.numpy()
    )
    assert image.shape == (64, 128, 3)
    left, right = image[4:48, :62], image[4:48, 66:]
    for half in (left, right):
        columns = np.flatnonzero((half < 0.8).any((0, 2)))
        assert abs(columns.mean() - half.shape[1] / 2) < 5
    assert not np.array_equal(left, right)


def test_tiles_make_the_exact_picture(scene):
    camera = scene.camera(40, 20).record((40, 24))
    whole = scene.render(camera, quality="exact", background=(1.0, 0.5, 0.0))
    steps = list(refine_in_tiles(scene, scene.render(camera, background=(1.0, 0.5, 0.0)), (1.0, 0.5, 0.0)))
    assert [share for share, _ in steps] == sorted(share for share, _ in steps)
    share, refined = steps[-1]
    assert share == 1
    assert (refined.color - whole.color).abs().mean() < 0.003
    assert psnr(refined.color, whole.color) > 35


def test_no_file_is_replaced(tmp_path):
    folder = SaveFolder(tmp_path / "saved")
    first = folder.new_file("frame", ".png")
    second = folder.new_file("frame", ".png")
    (tmp_path / "saved/frame_002.png").touch()
    assert [path.name for path in (first, second, folder.new_file("frame", ".png"))] == [
        "frame_000.png",
        "frame_001.png",
        "frame_003.png",
    ]
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        SaveFolder(tmp_path / "file/saved").new_file("frame", ".png")


def test_cameras_come_back_from_the_training_world():
    cameras = orbit(azimuth=(0, 200), elevation=20, distance=3, field_of_view=40, frames=5, size=(30, 20))
    placement = Placement.upright(torch.tensor([1.0, -2.0, 3.0]), 4.0, torch.tensor([0.0, 1.0, 0.3]))
    back = placement.cameras_from_training(placement.to_training(cameras))
    assert torch.allclose(back.poses, cameras.poses, atol=1e-5)
