"""One browser window of the viewer: draws what its camera sees, and refines it at rest.

Two kinds of threads draw. One for the window's life draws from the baked volume, small while the camera moves and whole
when it rests. At rest another one replaces that picture by `exact`, in parts, until the next movement cancels it.
"""

import math
import threading
import time
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from pixelnerf.app.pictures import Picture
from pixelnerf.app.viewed_object import SaveFolder, ViewedObject
from pixelnerf.app.viewer_cameras import PhotoCameras
from pixelnerf.app.viewer_panel import SMALLEST, Panel
from pixelnerf.app.viewer_pictures import WindowCamera, compare_zoomed_out, pinhole, refine_in_tiles, shown_colors
from pixelnerf.app.viewer_saving import Saver
from pixelnerf.images.pictures import to_8_bits

REST = 0.25
"""Seconds without movement after which the camera rests."""
FRAME_TIME = 0.05
"""Seconds that a frame may take while the camera moves; its size follows."""
SHOW_EVERY = 0.4
"""Seconds between two looks at a picture that is being refined."""
WIDEST = 2048
EMPTY = 1e3
"""Depth where nothing is, in lengths of the object."""


class Window:
    """What one client sees; it lives until `close`."""

    def __init__(self, client: Any, viewed: ViewedObject, save_folder: SaveFolder) -> None:
        self._client, self._viewed = client, viewed
        self._panel = Panel(client.gui, viewed, str(save_folder.folder))
        self._cameras = PhotoCameras(client.scene, viewed, self._include)
        self._changed, self._cancel, self._closed = threading.Event(), threading.Event(), threading.Event()
        self._sending = threading.Lock()
        self._moving_height = SMALLEST * 4
        self._seen: tuple[float, ...] = ()
        # With what cancels it: once that is set, it is of another camera or other settings.
        self._image: tuple[threading.Event, Float[ndarray, "height width 3"]] | None = None
        self._panel.on_change(self._wake)
        self._panel.on_photo(self._include)
        Saver(client, self._panel, viewed, save_folder, self._camera, self._frame, self._colors)

        @client.camera.on_update
        async def _(camera: Any) -> None:
            # The browser also reports cameras that have not moved.
            seen = (*camera.position, *camera.wxyz, camera.fov, camera.image_width, camera.image_height)
            if seen != self._seen:
                self._seen = seen
                self._wake()

        self._stop_listening = viewed.listen(self._object_changed)
        self._thread = threading.Thread(target=self._draw_until_closed, name="viewer window", daemon=True)
        self._thread.start()
        self._wake()

    def close(self) -> None:
        """Ends all drawing; what is being saved is still completed."""
        self._stop_listening()
        self._closed.set()
        self._wake()

    def _wake(self) -> None:
        self._cancel.set()
        self._changed.set()

    def _draw_until_closed(self) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            if self._closed.is_set():
                return
            self._cancel = cancel = threading.Event()
            self._draw_moving()
            if self._changed.wait(REST):
                continue
            picture = self._draw_at_rest(cancel)
            if picture is not None and self._panel.refine:
                threading.Thread(target=self._refine, args=(picture, cancel), daemon=True).start()

    def _draw_moving(self) -> None:
        start = time.perf_counter()
        height = min(self._moving_height, self._panel.height)
        image, picture = self._drawn(height)
        self._send(image, picture, threading.Event(), quality=80)
        spent = time.perf_counter() - start
        wanted = height * math.sqrt(FRAME_TIME / max(spent, 1e-3))
        # Half of the way, as a single slow frame is no reason for a coarse one.
        self._moving_height = int(np.clip((self._moving_height + wanted) / 2, SMALLEST, 1024))

    def _draw_at_rest(self, cancel: threading.Event) -> Picture | None:
        """The whole picture; None if it is a comparison, which is not refined."""
        start = time.perf_counter()
        image, picture = self._drawn(self._panel.height)
        self._send(image, picture, threading.Event(), quality=None)
        self._image = cancel, image
        height, width = image.shape[:2]
        self._panel.say(f"baked, {width} x {height}, {1000 * (time.perf_counter() - start):.0f} ms")
        return picture

    def _drawn(self, height: int) -> tuple[Float[ndarray, "height width 3"], Picture | None]:
        scene, panel = self._viewed.scene, self._panel
        background = panel.background
        pose, field_of_view, size = self._camera(height)
        if panel.zoom_out is None:
            picture = scene.render(pinhole(pose, field_of_view, size), background=background)
            return self._colors(picture), picture
        image = compare_zoomed_out(
            lambda camera: scene.render(camera, background=background),
            scene.volume,
            pose,
            field_of_view,
            size,
            panel.zoom_out,
            self._colors,
        )
        return image, None

    def _colors(self, picture: Picture) -> Float[ndarray, "height width 3"]:
        return shown_colors(picture, self._panel.shown, float(picture.camera.poses[:3, 3].norm()), 1.0)

    def _refine(self, picture: Picture, cancel: threading.Event) -> None:
        start = shown = time.perf_counter()
        tiles = refine_in_tiles(self._viewed.scene, picture, self._panel.background)
        while not cancel.is_set():
            with self._viewed.network:
                step = next(tiles, None)
            if step is None:
                return
            done, refined = step
            now = time.perf_counter()
            if done < 1 and now - shown < SHOW_EVERY:
                continue
            shown = now
            image = self._colors(refined)
            if self._send(image, refined, cancel, quality=None):
                self._image = cancel, image
                self._panel.say(f"exact, {done:.0%}, {now - start:.0f} s")

    def _send(
        self,
        image: Float[ndarray, "height width 3"],
        picture: Picture | None,
        cancel: threading.Event,
        quality: int | None,
    ) -> bool:
        """Shows a picture, as JPEG of a quality or else as PNG; its depth hides what of the frusta is behind it."""
        depth = None
        if picture is not None and self._panel.cameras:
            depth = torch.nan_to_num(picture.depth, nan=EMPTY).numpy()
        with self._sending:
            if cancel.is_set() or self._closed.is_set():
                return False
            self._cameras.show(self._panel.cameras)
            form = "png" if quality is None else "jpeg"
            self._client.scene.set_background_image(to_8_bits(image), form, jpeg_quality=quality, depth=depth)
        return True

    def _frame(self) -> Float[ndarray, "height width 3"]:
        """The picture at rest."""
        if (kept := self._image) is not None and not kept[0].is_set():
            return kept[1]
        return self._drawn(self._panel.height)[0]

    def _camera(self, height: int) -> WindowCamera:
        """The window's camera, for a picture of a height in pixels."""
        camera = self._client.camera
        w, x, y, z = camera.wxyz
        pose = torch.eye(4)
        pose[:3, :3] = torch.from_numpy(Rotation.from_quat([x, y, z, w]).as_matrix())
        pose[:3, 3] = torch.from_numpy(np.array(camera.position))
        width = round(height * camera.aspect)
        if width > WIDEST:
            width, height = WIDEST, max(round(WIDEST / camera.aspect), 1)
        return pose, float(camera.fov), (max(width, 2), height)

    def _include(self, index: int, wanted: bool) -> None:
        if (index in self._viewed.included) == wanted:
            return
        note = self._client.add_notification("Photos", "encoding the object anew", loading=True)
        if not self._viewed.include(index, wanted):
            self._panel.show_included()
            self._client.add_notification("Photos", "one photo has to stay", auto_close_seconds=4, color="orange")
        note.remove()

    def _object_changed(self) -> None:
        self._panel.show_included()
        self._cameras.show_included()
        self._wake()
