"""What a window of the viewer saves: a frame, and a path of cameras, as a file or as a video."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from numpy import ndarray

from pixelnerf.app.camera_path import CameraPath, write_camera_path
from pixelnerf.app.paths import interpolate, orbit
from pixelnerf.app.pictures import Picture, write_picture
from pixelnerf.app.video import video_writer
from pixelnerf.app.viewed_object import SaveFolder, ViewedObject
from pixelnerf.app.viewer_panel import Panel
from pixelnerf.app.viewer_pictures import WindowCamera, pinhole
from pixelnerf.errors import UserError
from pixelnerf.images.pictures import to_8_bits
from pixelnerf.types import Cameras

FPS = 30


class Saver:
    """Saves with a notification that says where, or why not.

    Args:
        client: viser's, of the window.
        panel: of the window.
        viewed: the object.
        folder: to save to.
        camera: the window's, for a picture of a height.
        frame: the picture at rest.
        colors: what the window shows of a picture.
    """

    def __init__(
        self,
        client: Any,
        panel: Panel,
        viewed: ViewedObject,
        folder: SaveFolder,
        camera: Callable[[int], WindowCamera],
        frame: Callable[[], Float[ndarray, "height width 3"]],
        colors: Callable[[Picture], Float[ndarray, "height width 3"]],
    ) -> None:
        self._client, self._panel, self._viewed, self._folder = client, panel, viewed, folder
        self._camera, self._frame, self._colors = camera, frame, colors
        self._keys: list[Cameras] = []
        panel.on_press(
            frame=self._reported("frame", self._save_frame),
            path=self._reported("path", self._save_path),
            video=self._reported("video", self._save_video),
            add=self._add_key,
            remove=self._remove_keys,
        )

    def _reported(self, kind: str, save: Callable[[Any], str]) -> Callable[[], None]:
        def run() -> None:
            note = self._client.add_notification(f"Saving the {kind}", "", loading=True, with_close_button=False)
            try:
                text, color = save(note), "green"
            except UserError as error:
                text, color = str(error), "red"
            note.remove()
            self._client.add_notification(f"Save {kind}", text, color=color)

        return run

    def _save_frame(self, note: Any) -> str:
        image = self._frame()
        path = self._folder.new_file("frame", ".png")
        write_picture(path, torch.from_numpy(image.copy()))
        return f"saved {path}"

    def _add_key(self) -> None:
        self._keys.append(pinhole(*self._camera(self._panel.height)))
        self._client.add_notification("Path", f"{len(self._keys)} key cameras", auto_close_seconds=3)

    def _remove_keys(self) -> None:
        self._keys.clear()
        self._client.add_notification("Path", "no key cameras: once around the object", auto_close_seconds=3)

    def _path(self) -> Cameras:
        """Through the key cameras; without two of them, once around the object from where the camera is."""
        frames = self._panel.seconds * FPS
        pose, field_of_view, size = self._camera(self._panel.height)
        if len(self._keys) >= 2:
            return interpolate(Cameras.stack(self._keys), frames=frames, size=size)
        x, y, z = pose[:3, 3].tolist()
        start = math.degrees(math.atan2(y, x))
        shorter = 2 * math.atan(math.tan(field_of_view / 2) * min(size) / size[1])
        return orbit(
            azimuth=(start, start + 360),
            elevation=math.degrees(math.atan2(z, math.hypot(x, y))),
            distance=math.hypot(x, y, z),
            field_of_view=math.degrees(shorter),
            frames=frames,
            size=size,
        )

    def _save_path(self, note: Any) -> str:
        cameras = self._viewed.placement.cameras_from_training(self._path())
        path = self._folder.new_file("camera_path", ".json")
        write_camera_path(path, CameraPath(cameras, FPS))
        return f"saved {path}: {len(cameras.poses)} cameras, for pixelnerf render --path"

    def _save_video(self, note: Any) -> str:
        cameras, background, scene = self._path(), self._panel.background, self._viewed.scene
        path = self._folder.new_file("video", ".mp4")
        count = len(cameras.poses)
        with video_writer(path, FPS) as write:
            for index in range(count):
                write(to_8_bits(self._colors(scene.render(cameras[index], background=background))))
                if index % FPS == 0:
                    note.body = f"{index / count:.0%}"
        return f"saved {path}: {count} frames"
