"""Rendering views of a scene from input photos."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from pixelnerf.geometry.surface import surface_points
from pixelnerf.model.image import render_image
from pixelnerf.model.net import Net
from pixelnerf.model.occupied import Quality, shared_grid
from pixelnerf.refine.refiner import RenderedView
from pixelnerf.scenes.photos import scene_photos
from pixelnerf.scenes.scene import Scene
from pixelnerf.types import Cameras, ImageOutput


@dataclass(frozen=True)
class RenderOptions:
    """How to render: `rays_per_chunk=None` picks a fast size for the device; `bfloat16` is for products only."""

    device: torch.device
    rays_per_chunk: int | None = None
    quality: Quality = "exact"
    bfloat16: bool = False

    def products(self) -> torch.autocast:
        """The autocast context to run a model in."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)


@dataclass(frozen=True)
class TimedRender:
    """A render on the CPU and the seconds it took, without encoding the photos."""

    output: ImageOutput
    seconds: float


@torch.inference_mode()
def render_views(
    net: Net,
    scene: Scene,
    inputs: Sequence[int],
    targets: Sequence[int],
    input_downscale: int,
    scale: float,
    options: RenderOptions,
) -> Iterator[TimedRender]:
    """Renders the targets at `scale` times their photos' size; the input views are encoded once."""
    photos = scene_photos(scene, inputs, input_downscale)
    with options.products():
        features = net.encode(photos.to(options.device))
    cameras = scene.cameras().scaled(scale).to(options.device)
    views = [scene.view_of(cameras[target]) for target in targets]
    with options.products():
        grid = shared_grid(net, features, views, options.quality)
    for view in views:
        start = time.perf_counter()
        with options.products():
            output = render_image(net, features, view, options.rays_per_chunk, options.quality, grid).to("cpu")
        yield TimedRender(output, time.perf_counter() - start)


def rendered_view(output: ImageOutput, camera: Cameras, net: Net, scene: Scene) -> RenderedView:
    """A render (on the CPU) with its surface in the world, at the median distance, for refiners."""
    normalize = net.config.renderer.normalize_directions
    points = surface_points(camera, output.median_distance, normalize, scene.ndc)
    return RenderedView(output.color.movedim(-1, 0), points, output.opacity)
