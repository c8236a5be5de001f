"""`object.html`, opened in a real browser with software WebGL, beside our own render of the volume."""

import base64
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from baked_volumes import averaged, ball_with_thin_parts, frame, ring_camera
from browser_pictures import SOFTWARE_WEBGL, pixels, psnr
from saved_pages import HOSTILE, START, write

from pixelnerf.images.pictures import color_map
from pixelnerf.types import Cameras


@pytest.fixture(scope="module")
def browser(chromium):
    return chromium(SOFTWARE_WEBGL)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A page with two photos and a hostile title."""
    folder = tmp_path_factory.mktemp("page")
    photos = [torch.rand(48, 48, 3), torch.rand(30, 40, 4)]
    return write(folder / "object.html", photos=photos, title=HOSTILE)


@pytest.fixture
def opened(browser, saved):
    """Opens the page in a fresh window that turns nothing by itself; it must neither complain nor fetch anything."""
    contexts, faults = [], []

    def open_page(**options):
        # A small window: software WebGL is slow.
        context = browser.new_context(
            **{"viewport": {"width": 660, "height": 300}, "reduced_motion": "reduce"} | options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: faults.append(request.url) if request.url != saved.as_uri() else None)
        page.goto(saved.as_uri())
        page.wait_for_selector("[data-state=ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def rendered(page, camera):
    """The page's picture of a camera, (height, width, 3) in [0, 1]."""
    wanted = {
        "pose": camera.poses.tolist(),
        "intrinsics": camera.intrinsics.tolist(),
        "size": camera.sizes.tolist(),
    }
    url = page.evaluate("async (camera) => (await window.pixelnerfObject).render(camera)", wanted)
    return pixels(base64.b64decode(url.split(",")[1]))


def shown(page):
    """What the canvas shows once it rests: a slow machine sharpens the picture in several steps."""
    last = None
    for _ in range(30):
        page.wait_for_timeout(350)
        current = page.locator("canvas").screenshot()
        if current == last:
            return current
        last = current
    raise AssertionError("the page does not come to rest")


# A camera with skew, a principal point off the middle and pixels that are not square is a camera too.
ODD = replace(
    ring_camera(160, 40),
    intrinsics=torch.tensor([[125.0, 4.0, 29.0], [0.0, 110.0, 26.0], [0.0, 0.0, 1.0]]),
    sizes=torch.tensor([70, 50]),
)


def test_pixels_are_those_of_the_volume(opened):
    page, volume = opened(), ball_with_thin_parts()
    for camera in (ring_camera(0, 30), ring_camera(100, 5), ring_camera(230, 70, distance=1.6), ODD):
        image = rendered(page, camera)
        assert psnr(image, frame(volume, camera).color) > 45
    # The object, not the background, is what agrees.
    assert ((image - 1).abs().amax(-1) > 0.1).float().mean() > 0.1


@pytest.mark.parametrize("factor", [4, 8])
def test_far_objects_do_not_alias(opened, factor):
    """Of a small image every pixel is the mean over its area; a ray through its centre would miss thin parts."""
    page, volume = opened(), ball_with_thin_parts()
    small, large = ring_camera(100, 20, size=64 // factor), ring_camera(100, 20, size=128)
    fine = frame(volume, large).color
    area_mean = averaged(fine, 2 * factor)
    assert psnr(rendered(page, small), area_mean) > 40
    assert psnr(rendered(page, small), frame(volume, small).color) > 40
    assert psnr(fine[factor :: 2 * factor, factor :: 2 * factor], area_mean) < 34
    # As far away instead of as small.
    distant = ring_camera(100, 20, size=32, distance=2.732 * factor)
    area_mean = averaged(frame(volume, distant.scaled(4.0)).color, 4)
    assert psnr(rendered(page, distant), area_mean) > 45


def test_depth_and_opacity_by_a_key(opened):
    # Pixels narrower than a cell: one ray each, whose depth is compared.
    page, volume, camera = opened(), ball_with_thin_parts(), ring_camera(200, 20, size=128)
    color = rendered(page, camera)
    truth = frame(volume, camera)
    opacity, depth = truth.opacity, truth.distance
    page.keyboard.press("o")
    # Black on white.
    assert psnr(1 - rendered(page, camera)[..., 0], opacity) > 40
    page.keyboard.press("d")
    picture = rendered(page, camera)
    assert page.locator("[data-show=depth]").get_attribute("aria-pressed") == "true"
    solid = opacity > 0.99
    viridis = torch.from_numpy(color_map(np.linspace(0, 1, 256)[None])[0])
    nearness = torch.cdist(picture[solid], viridis).argmin(-1)
    # Near is bright, and the colour is linear in the depth; rays that graze the outline are not asked.
    inside = F.avg_pool2d(solid[None].float(), 3, stride=1, padding=1)[0][solid] == 1
    slope, intercept = np.polyfit(nearness, depth[solid], deg=1)
    assert slope < 0
    assert inside.sum() > 1000
    errors = (slope * nearness + intercept - depth[solid])[inside].abs() / volume.cell
    assert errors.quantile(0.99) < 0.35
    assert errors.max() < 0.6
    assert nearness.max() - nearness.min() > 40
    page.keyboard.press("d")
    assert torch.equal(rendered(page, camera), color)


def test_background_by_a_key(opened):
    page, volume, camera = opened(), ball_with_thin_parts(), ring_camera(20, 30)
    for background in (1.0, 74 / 255, 0.0):
        image = rendered(page, camera)
        assert psnr(image, frame(volume, camera, background).color) > 45
        page.keyboard.press("b")
    assert torch.equal(rendered(page, camera)[0, 0], torch.ones(3))


def test_a_dark_desktop_gets_a_dark_page(opened):
    page = opened(color_scheme="dark")
    assert torch.allclose(rendered(page, START)[0, 0], torch.full((3,), 74 / 255))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(74, 74, 74)"


def test_mouse_wheel_and_arrows_move_it_and_r_restores_it(opened):
    page = opened()
    first = shown(page)
    box = page.locator("canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y - 20, steps=3)
    page.mouse.up()
    dragged = shown(page)
    page.mouse.wheel(0, 300)
    zoomed = shown(page)
    page.keyboard.press("ArrowLeft")
    turned = shown(page)
    assert len({first, dragged, zoomed, turned}) == 4
    page.keyboard.press("r")
    restored = pixels(shown(page))
    assert psnr(restored, pixels(first)) > 30 > psnr(restored, pixels(turned))


def test_the_near_side_follows_the_pointer(opened):
    """A drag to the right takes the camera back about the vertical, by half a turn for the whole canvas."""
    page = opened()
    box = page.locator("canvas").bounding_box()
    width, height = int(box["width"]), int(box["height"])
    side = min(width, height)
    drag = side // 4
    turn = 180 * drag / side
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 60 + drag, box["y"] + 60)
    page.mouse.up()
    seen = pixels(shown(page))
    agreement = {}
    for azimuth in (20 - turn, 20, 20 + turn):
        camera = ring_camera(azimuth, 30, side)
        center = torch.tensor([[0.0, 0, (width - side) / 2], [0, 0, (height - side) / 2], [0, 0, 0]])
        rendered(page, Cameras(camera.poses, camera.intrinsics + center, torch.tensor([width, height])))
        agreement[azimuth] = psnr(seen, pixels(shown(page)))
    # Not exactly: it turns about the middle of its matter, which the haze moves off the world's origin.
    assert agreement[20 - turn] > max(agreement[20], agreement[20 + turn]) + 3


def test_fingers_turn_and_pinch(opened):
    page = opened(has_touch=True, is_mobile=True, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    session = page.context.new_cdp_session(page)
    box = page.locator("canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def touch(kind, *places):
        points = [{"x": px, "y": py, "id": number} for number, (px, py) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    first = shown(page)
    touch("touchStart", (x, y))
    touch("touchMove", (x + 30, y))
    touch("touchEnd")
    turned = shown(page)
    touch("touchStart", (x - 10, y), (x + 10, y))
    touch("touchMove", (x - 40, y), (x + 40, y))
    touch("touchEnd")
    assert len({first, turned, shown(page)}) == 3


def test_it_turns_gently_until_it_is_touched(opened):
    page = opened(reduced_motion="no-preference")
    page.wait_for_timeout(500)
    moving = page.locator("canvas").screenshot()
    page.wait_for_timeout(500)
    assert page.locator("canvas").screenshot() != moving
    page.locator("canvas").click()
    shown(page)


# Frames come a tenth of a second apart, and no more of them than asked for.
SLOW_MOTION = """
const draw = window.requestAnimationFrame.bind(window);
window.drawn = 0;
window.requestAnimationFrame = (frame) => window.drawn < COUNT && draw(() => frame(100 * ++window.drawn));
"""


def test_from_one_photo_it_sways(browser, tmp_path):
    """To both sides of the first view; from several photos it turns on."""

    def shown_after(seconds, photos):
        path = write(tmp_path / "object.html", photos=[torch.rand(8, 8, 3)] * photos)
        page = browser.new_page(viewport={"width": 660, "height": 300}, reduced_motion="no-preference")
        count = round(10 * seconds)
        page.add_init_script(SLOW_MOTION.replace("COUNT", str(count)))
        page.goto(path.as_uri())
        while page.evaluate("window.drawn") < count:
            page.wait_for_timeout(50)
        seen = pixels(shown(page))
        page.close()
        return seen

    # It leaves the first view at a quarter of a radian a second, and is 30 degrees away after a quarter of its period.
    quarter = math.pi / 2 * math.radians(30) / 0.25
    first, there, back, away = (shown_after(time, 1) for time in (0.1, quarter, 2 * quarter, 3 * quarter))
    to_first = min(psnr(there, first), psnr(away, first)), max(psnr(there, first), psnr(away, first))
    assert psnr(there, away) < to_first[0] - 2
    assert psnr(back, first) > to_first[1] + 3
    assert psnr(shown_after(2 * quarter, 2), first) < to_first[0] - 2


def test_title_is_text(opened):
    page = opened()
    assert page.title() == HOSTILE
    assert page.locator("h1").inner_text() == HOSTILE


def test_photos_stand_beside_it(opened):
    sizes = opened().evaluate(
        "[...document.querySelectorAll('aside img')].map((p) => [p.naturalWidth, p.naturalHeight])"
    )
    assert sizes == [[48, 48], [40, 30]]


def test_the_page_may_not_fetch(browser, saved):
    """The policy refuses what a stranger's script would try, and the browser reports each refusal."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(saved.as_uri())
    refused = page.evaluate(
        """async () => {
          const refused = [];
          document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
          new Image().src = "https://pixelnerf.invalid/a.png";
          await fetch("https://pixelnerf.invalid/").catch(() => {});
          const script = document.createElement("script");
          script.textContent = "document.title = 'taken'";
          document.body.append(script);
          await new Promise((done) => setTimeout(done, 300));
          return refused.sort();
        }"""
    )
    assert refused == ["connect-src", "img-src", "script-src-elem"]
    assert page.title() == HOSTILE
    context.close()


@pytest.mark.parametrize(
    ("flags", "options", "reason"),
    [
        (["--disable-3d-apis"], {}, "WebGL 2 is missing"),
        ([], {"java_script_enabled": False}, "JavaScript is off"),
    ],
)
def test_a_picture_and_a_sentence_where_it_cannot_turn(chromium, saved, flags, options, reason):
    context = chromium(flags).new_context(**options)
    page = context.new_page()
    page.goto(saved.as_uri())
    message = page.locator("#message")
    message.wait_for(state="visible")
    assert reason in message.inner_text()
    picture = page.locator("#fallback")
    assert picture.is_visible()
    assert picture.bounding_box()["width"] > 200
    assert not page.locator("canvas").is_visible()
    assert not page.locator("[data-show=depth]").is_visible()
