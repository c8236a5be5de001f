"""`pixelnerf view`, in a real browser, beside our own renders."""

import math
from functools import partial

import pytest
import torch
from browser_pictures import SOFTWARE_WEBGL, pixels, psnr
from viewed_table import model, running_viewer, table

from pixelnerf.app.api import Scene
from pixelnerf.app.camera_path import read_camera_path
from pixelnerf.app.viewer_cameras import (
    PHOTO_DISTANCE,
    START_DISTANCE,
    START_FIELD_OF_VIEW,
    start_camera,
)
from pixelnerf.app.viewer_panel import ZOOM
from pixelnerf.app.viewer_pictures import compare_zoomed_out, shown_colors
from pixelnerf.geometry.cameras import project, world_to_camera

HOSTILE = "</title><img src=x onerror=\"document.title='taken'\"><script>alert(1)</script>{1+1}**\"'&"
WIDTH, HEIGHT = 640, 256
# Of the controls, which stand beside the picture.
PANEL = 324
PICTURE_ALONE = "body * { visibility: hidden !important } canvas { visibility: visible !important }"


@pytest.fixture(scope="module")
def scene():
    return table()


@pytest.fixture(scope="module")
def viewer(tmp_path_factory):
    pytest.importorskip("viser", reason="viser is not installed (extra `viewer`)")
    with running_viewer(HOSTILE, tmp_path_factory.mktemp("view") / "saved") as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium):
    # All windows share what the browser keeps of viser's page.
    return chromium(SOFTWARE_WEBGL).new_context(viewport={"width": WIDTH + PANEL, "height": HEIGHT})


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
    # viser draws coarser on a slow machine unless it is told not to.
    opened.goto(f"{viewer.url}?fixedDpr=1")
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
    whole = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT}
    return pixels(page.screenshot(style=PICTURE_ALONE, clip=whole))


def wait_for(page, holds):
    """Looks at the page until what is seen is as wanted; a loaded machine takes its time."""
    for _ in range(150):
        if holds(image := seen(page)):
            return image
        page.wait_for_timeout(200)
    raise AssertionError("the page never showed what was expected")


def shows(truth, image):
    return psnr(image, torch.as_tensor(truth)) > 35


def first_camera():
    """A window's, in the scene's own world."""
    scene = table()
    return scene.placement.cameras_from_training(start_camera(scene.photos).record((WIDTH, HEIGHT)))


def rendered(scene):
    """What a window's first camera sees."""
    return scene.render(first_camera())


def place_of_photo(index):
    """Where a window's first camera sees the middle of a photo, in pixels."""
    photo = table().photos[index].camera.poses[:3, 3]
    camera = start_camera(table().photos).record((WIDTH, HEIGHT))
    middle = PHOTO_DISTANCE * photo / photo.norm()
    return project(camera.intrinsics, world_to_camera(camera.poses, middle[None]))[0].tolist()


def test_the_page_shows_what_we_render(page, scene):
    truth = rendered(scene)
    # The object, not the background, is what agrees.
    assert psnr(torch.ones_like(truth.color), truth.color) < 25
    wait_for(page, partial(shows, truth.color))


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
        first_camera().poses,
        math.radians(START_FIELD_OF_VIEW),
        (WIDTH, HEIGHT),
        ZOOM,
        lambda picture: picture.color.numpy(),
    )
    page.get_by_label("side by side").click()
    wait_for(page, partial(shows, truth))
    page.get_by_label("side by side").click()
    wait_for(page, partial(shows, rendered(scene).color))


def test_leaving_a_photo_out_encodes_the_other_one(page, scene, viewer):
    alone = Scene(model(), scene.photos[1:], scene.placement)
    page.get_by_label("photo 0", exact=True).click()
    wait_for(page, partial(shows, rendered(alone).color))
    assert viewer.viewed.included == (1,)
    page.get_by_label("photo 1", exact=True).click()
    page.get_by_text("one photo has to stay").wait_for()
    assert viewer.viewed.included == (1,)
    page.get_by_label("photo 0", exact=True).click()
    wait_for(page, partial(shows, rendered(scene).color))
    assert viewer.viewed.included == (0, 1)


def test_a_click_on_a_photo_leaves_it_out_and_another_one_takes_it_back(page, scene, viewer):
    box = page.get_by_label("photo 1", exact=True)
    alone = Scene(model(), scene.photos[:1], scene.placement)
    column, row = map(round, place_of_photo(1))
    beside = (WIDTH / 2, HEIGHT - 20)

    def around(image):
        return image[row - 40 : row + 40, column - 40 : column + 40]

    def framed(image):
        """Whether there are blue lines around the second photo; nothing else in the picture is as blue."""
        return (around(image)[..., 2] - around(image)[..., 0] > 0.6).sum() > 30

    def pointed_at(image):
        """Whether the lines are yellow, as they are under a mouse; viser notices only one that comes from beside."""
        page.mouse.move(*beside)
        page.mouse.move(column, row)
        return (around(image)[..., 1] - around(image)[..., 2] > 0.4).sum() > 30

    def click_the_photo():
        wait_for(page, pointed_at)
        page.mouse.click(column, row)
        page.mouse.move(*beside)

    assert not framed(seen(page))
    page.get_by_label("show cameras").click()
    wait_for(page, framed)
    # Beside the photos a click changes nothing.
    page.mouse.click(*beside)
    click_the_photo()
    wait_for(page, lambda image: not framed(image) and not box.is_checked())
    assert viewer.viewed.included == (0,)
    page.get_by_label("show cameras").click()
    wait_for(page, partial(shows, rendered(alone).color))
    page.get_by_label("show cameras").click()
    click_the_photo()
    wait_for(page, lambda image: framed(image) and box.is_checked())
    assert viewer.viewed.included == (0, 1)
    page.get_by_label("show cameras").click()
    wait_for(page, partial(shows, rendered(scene).color))


def test_files_are_saved_where_the_message_says(page, scene, viewer):
    set_number(page, "seconds", 1)
    for kind in ("frame", "path", "video"):
        page.get_by_role("button", name=kind, exact=True).click()
    for name in ("frame_000.png", "camera_path_000.json", "video_000.mp4"):
        page.get_by_text(f"saved/{name}").wait_for(timeout=60_000)
    folder = viewer.folder
    assert psnr(pixels((folder / "frame_000.png").read_bytes()), rendered(scene).color) > 40
    # A turn around the object in the photos' own world.
    path = read_camera_path(folder / "camera_path_000.json")
    positions = path.cameras.poses[:, :3, 3]
    assert len(positions) == 30
    assert torch.allclose((positions - 5.0).norm(dim=-1), torch.tensor(10 * START_DISTANCE), rtol=1e-3)
    assert torch.allclose(positions[0], first_camera().poses[:3, 3], atol=0.05)
    assert (folder / "video_000.mp4").stat().st_size > 1000


def test_dragging_turns_it(page, scene):
    before = wait_for(page, partial(shows, rendered(scene).color))
    # Below viser's notice that WebGL is software, which stays for a while.
    page.mouse.move(100, 230)
    page.mouse.down()
    page.mouse.move(180, 210, steps=4)
    page.mouse.up()
    # A turn of ten degrees gives 28 dB or less; the same view at the lowest resolution still has 40.
    wait_for(page, lambda image: psnr(image, before) < 30)


def test_the_network_takes_over_at_rest_and_again_after_a_turn(page, scene):
    set_number(page, "size", 64)
    page.get_by_text("baked, 160 x 64").wait_for()
    truth = scene.render(first_camera().scaled(0.25), quality="exact").color
    page.get_by_label("refine at rest").click()
    page.get_by_text("exact, 100%").wait_for(timeout=60_000)
    # The browser enlarges it smoothly, so blocks of four pixels have the small picture's colours, but for edges.
    wait_for(page, lambda image: psnr(image.view(64, 4, 160, 4, 3).mean((1, 3)), truth) > 30)
    page.mouse.move(100, 230)
    page.mouse.down()
    page.mouse.move(180, 210, steps=4)
    page.get_by_text("exact, 100%").wait_for(state="hidden", timeout=60_000)
    page.mouse.up()
    page.get_by_text("exact, 100%").wait_for(timeout=60_000)
