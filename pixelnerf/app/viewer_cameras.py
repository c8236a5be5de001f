"""The photos' cameras in a window of the viewer, and the camera that it begins with.

Each photo is drawn as a frustum in its camera's direction, with the photo on its far side. All photos stand equally far
from the object, just outside the sphere around it, however far away they were taken: true distances, between two and
twenty lengths of the object, would need a picture in which the object is small.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from pixelnerf.app.camera import Camera
from pixelnerf.app.framing import FramedPhoto
from pixelnerf.app.viewed_object import ViewedObject
from pixelnerf.images.pictures import to_8_bits
from pixelnerf.types import Cameras

PHOTO_DISTANCE, HALF_PHOTO, LINE = 1.0, 0.18, 0.009
"""From the object's middle to a photo, half the photo's height, thickness of lines: in lengths of the object."""
INCLUDED, LEFT_OUT = (20, 110, 220), (175, 175, 175)

START_ELEVATION, START_DISTANCE, START_FIELD_OF_VIEW = 25.0, 4.0, 30.0
"""Of a window's first camera, in degrees, lengths of the object, degrees: all photos are in the picture."""
CLEAR = 45
"""Degrees of azimuth from the first camera's direction within which a photo may cover the object."""


def start_camera(photos: Sequence[FramedPhoto]) -> Camera:
    """A window's first camera: the nearest to the first photo's azimuth that no photo stands in the way of."""
    azimuths = np.array([math.degrees(math.atan2(y, x)) for x, y, _ in (_direction(photo.camera) for photo in photos)])
    # In the order of their size, a positive one first.
    turns = np.array(sorted(range(-175, 181, 5), key=lambda turn: (abs(turn), -turn)))
    away = np.abs((turns[:, None] - (azimuths - azimuths[0]) + 180) % 360 - 180).min(axis=1)
    turn = turns[np.argmax(np.minimum(away, CLEAR))]
    return Camera.orbit(float(azimuths[0] + turn), START_ELEVATION, START_DISTANCE, START_FIELD_OF_VIEW)


def photo_pixels(photo: FramedPhoto, included: bool) -> np.ndarray:
    """A photo as the model is given it, 8-bit RGB; pale and grey if it is left out."""
    colors = photo.image.movedim(0, -1).numpy()
    if not included:
        colors = 0.75 + 0.25 * colors.mean(-1, keepdims=True).repeat(3, axis=-1)
    return to_8_bits(colors)


class PhotoCameras:
    """The frusta of one window.

    Args:
        scene: viser's scene of the window.
        viewed: with the photos.
        include: is called with a photo's index, and whether it is wanted, when its frustum is clicked.
    """

    def __init__(self, scene: Any, viewed: ViewedObject, include: Callable[[int, bool], None]) -> None:
        self._viewed = viewed
        self._frusta = [_add_frustum(scene, index, viewed) for index in range(len(viewed.photos))]
        for index, frustum in enumerate(self._frusta):
            frustum.on_click(lambda _, index=index: include(index, index not in viewed.included))

    def show_included(self) -> None:
        """Brings colours up to date with the included photos."""
        for index, frustum in enumerate(self._frusta):
            frustum.color, frustum.image = _look(self._viewed, index)

    def show(self, visible: bool) -> None:
        """Draws them, or not."""
        for frustum in self._frusta:
            if frustum.visible != visible:
                frustum.visible = visible


def _direction(camera: Cameras) -> np.ndarray:
    """From the object's middle to the camera; the camera looks at the middle."""
    position = camera.poses[:3, 3].double().numpy()
    return position / np.linalg.norm(position)


def _look(viewed: ViewedObject, index: int) -> tuple[tuple[int, int, int], np.ndarray]:
    """Colour of a frustum's lines, and its picture."""
    included = index in viewed.included
    return INCLUDED if included else LEFT_OUT, photo_pixels(viewed.photos[index], included)


def _add_frustum(scene: Any, index: int, viewed: ViewedObject) -> Any:
    camera = viewed.photos[index].camera
    width, height = camera.sizes.tolist()
    slope, aspect = height / 2 / float(camera.intrinsics[1, 1]), width / height
    depth = HALF_PHOTO / slope
    color, image = _look(viewed, index)
    x, y, z, w = Rotation.from_matrix(camera.poses[:3, :3].double().numpy()).as_quat()
    return scene.add_camera_frustum(
        f"/photos/{index}",
        fov=2 * math.atan(slope),
        aspect=aspect,
        # viser scales frusta to one volume, whatever their field of view.
        scale=depth * math.cbrt(slope**2 * aspect / 3),
        thickness=LINE,
        color=color,
        image=image,
        format="png",
        wxyz=(w, x, y, z),
        position=(PHOTO_DISTANCE + depth) * _direction(camera),
        cast_shadow=False,
        receive_shadow=False,
    )
