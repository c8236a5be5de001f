"""Scenes of captures whose cameras may have lenses that bend lines, with straight photos in one world."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from datasets.image_cache import ImageCache
from datasets.readers.camera_files import make_cameras
from datasets.readers.capture_world import OWN_WORLD, CaptureWorld, centered_world
from datasets.readers.captures import CaptureConfig
from datasets.readers.file_scene import FileScene, PhotoFiles
from datasets.readers.lens import Lens
from pixelnerf.scenes.scene import SparsePoints
from pixelnerf.types import Cameras


def straight_scene(
    name: str,
    path: Path,
    lenses: Sequence[Lens],
    poses: Float[np.ndarray, "view 4 4"],
    used_poses: Float[np.ndarray, "used 4 4"],
    find_bounds: Callable[[], tuple[float, float]],
    config: CaptureConfig,
    cache: ImageCache,
    find_points: Callable[[Cameras, CaptureWorld], SparsePoints | None] = lambda cameras, world: None,
) -> FileScene:
    """A scene of some of a capture's views.

    Args:
        name: of the scene.
        path: where the cameras come from, for messages.
        lenses: one for each view.
        poses: camera-to-world, OpenCV axes, in the capture's own world.
        used_poses: those of all photos that are used, in any split; they decide on the world.
        find_bounds: reads the nearest and farthest depth of what they show, if it is needed.
        config: the reader's.
        cache: of decoded photos.
        find_points: reads the sparse points in the scene's world, as its cameras see them.

    Raises:
        UserError: a bad camera, or what `find_bounds` raises.
    """
    near, far = 0.0, 0.0
    if config.scale_world or config.near is None or config.far is None:
        near, far = find_bounds()
    world = centered_world(used_poses, near) if config.scale_world else OWN_WORLD
    cameras = make_cameras(
        world.poses(poses),
        np.stack([lens.straight for lens in lenses]),
        np.array([lens.size for lens in lenses]),
        path,
        config.pixel_center,
        config.downscale,
    )
    return FileScene(
        name,
        [PhotoFiles(lens.photo, downscale=config.downscale, lens=lens) for lens in lenses],
        cameras,
        # Points are few at the borders of what is seen.
        (config.near or 0.9 * world.scale * near, config.far or 1.1 * world.scale * far),
        config.background,
        cache,
        find_points=lambda: find_points(cameras, world),
    )
