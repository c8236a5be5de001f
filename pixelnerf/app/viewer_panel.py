"""The controls of one window of the viewer. No name of a user's reaches the page unescaped."""

import base64
import html
import io
import threading
from collections.abc import Callable
from typing import Any

from PIL import Image

from pixelnerf.app.framing import FramedPhoto
from pixelnerf.app.viewed_object import ViewedObject
from pixelnerf.app.viewer_cameras import photo_pixels
from pixelnerf.app.viewer_pictures import Background, Shown

SMALLEST, LARGEST, SIZE = 64, 1024, 512
LARGEST_ZOOM, ZOOM = 32, 16
SMALL_TEXT = "font-size: 0.8em; line-height: 1.35; padding: 0 0.9em 0.4em; overflow-wrap: anywhere"
SHOWN: dict[str, Shown] = {"colour": "color", "depth": "depth", "opacity": "opacity"}


class Panel:
    """Widgets of one client and what they are set to."""

    def __init__(self, gui: Any, viewed: ViewedObject, folder: str) -> None:
        self._viewed = viewed
        lines = [f"<b>{html.escape(viewed.name)}</b>", *map(html.escape, viewed.notes)]
        gui.add_html(f'<div style="{SMALL_TEXT}">{"<br>".join(lines)}</div>')
        with gui.add_folder("Picture"):
            self._shown = gui.add_dropdown("show", tuple(SHOWN))
            self._background = gui.add_rgb("background", (255, 255, 255))
            self._size = gui.add_slider(
                "size", SMALLEST, LARGEST, 32, SIZE, hint="Height of the picture at rest, in pixels."
            )
            self._refine = gui.add_checkbox(
                "refine at rest", True, hint="Ask the network for every sample (exact) while the camera rests."
            )
            self._status = gui.add_html("")
        with gui.add_folder("Photos"):
            self._cameras = gui.add_checkbox("show cameras", True)
            self._thumbnails = gui.add_html("")
            self._photos = [gui.add_checkbox(f"photo {index}", True) for index in range(len(viewed.photos))]
        with gui.add_folder("Zoom out: points | cones"):
            self._compare = gui.add_checkbox(
                "side by side",
                False,
                hint="Left, a pixel is what one ray through its middle meets; right, the mean over its area.",
            )
            self._zoom = gui.add_slider(
                "zoom out", 1, LARGEST_ZOOM, 1, ZOOM, hint="So many times as small, then enlarged to show the pixels."
            )
        with gui.add_folder("Save"):
            gui.add_html(f'<div style="{SMALL_TEXT}">to {html.escape(folder)}</div>')
            self._key_cameras = gui.add_button_group(
                "key cameras",
                ("add", "remove"),
                hint="The path goes through them; without two, once around the object.",
            )
            self._seconds = gui.add_slider("seconds", 1, 20, 1, 4, hint="Length of the path.")
            self._save = gui.add_button_group(
                "save", ("frame", "path", "video"), hint="The path as nerfstudio's camera_path.json, or as a video."
            )
        self.show_included()

    @property
    def shown(self) -> Shown:
        """What of the picture is shown."""
        return SHOWN[self._shown.value]

    @property
    def background(self) -> Background:
        """RGB in [0, 1]."""
        red, green, blue = (value / 255 for value in self._background.value)
        return red, green, blue

    @property
    def height(self) -> int:
        """Of the picture at rest, in pixels."""
        return int(self._size.value)

    @property
    def refine(self) -> bool:
        """Whether `exact` takes over at rest."""
        return bool(self._refine.value)

    @property
    def zoom_out(self) -> int | None:
        """How far points and cones are zoomed out; None if they are not shown."""
        return int(self._zoom.value) if self._compare.value else None

    @property
    def cameras(self) -> bool:
        """Whether the photos' cameras are drawn."""
        return bool(self._cameras.value) and not self._compare.value

    @property
    def seconds(self) -> int:
        """Length of a path."""
        return int(self._seconds.value)

    def on_change(self, redraw: Callable[[], None]) -> None:
        """Calls `redraw` when a setting of the picture has changed."""
        for widget in (
            self._shown,
            self._background,
            self._size,
            self._refine,
            self._compare,
            self._zoom,
            self._cameras,
        ):
            widget.on_update(lambda _: redraw())

    def on_photo(self, include: Callable[[int, bool], None]) -> None:
        """Calls `include` with a photo's index and whether it is wanted."""
        for index, box in enumerate(self._photos):
            box.on_update(lambda event, index=index: include(index, bool(event.target.value)))

    def on_press(self, **actions: Callable[[], None]) -> None:
        """Calls `frame`, `path`, `video`, `add` or `remove` when that button is pressed."""

        async def press(event: Any) -> None:
            # Here in viser's loop of events the value is still that of this click.
            threading.Thread(target=actions[event.target.value]).start()

        for group in (self._key_cameras, self._save):
            group.on_click(press)

    def say(self, text: str) -> None:
        """Shows a line about the current picture."""
        self._status.content = f'<div style="{SMALL_TEXT}">{html.escape(text)}</div>'

    def show_included(self) -> None:
        """Brings boxes and thumbnails up to date with the included photos."""
        included = self._viewed.included
        for index, box in enumerate(self._photos):
            if box.value != (index in included):
                box.value = index in included
        self._thumbnails.content = "".join(
            [
                '<div style="display: flex; flex-wrap: wrap; gap: 6px; padding: 0 0.9em 0.4em">',
                *(_thumbnail(photo, index, index in included) for index, photo in enumerate(self._viewed.photos)),
                "</div>",
            ]
        )


def _thumbnail(photo: FramedPhoto, index: int, included: bool) -> str:
    content = io.BytesIO()
    Image.fromarray(photo_pixels(photo, included)).save(content, format="PNG")
    source = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="photo {index}" width="64" height="64" src="data:image/png;base64,{source}">'
