"""What is timed: a training step and views of real scenes, by our way and by the original's."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.image import ImageOutput, render_image
from pixelnerf.model.net import Net
from pixelnerf.model.occupied import Quality, shared_grid
from pixelnerf.model.original import OriginalRenderer
from pixelnerf.scenes.photos import stack_photos
from pixelnerf.scenes.scene import Scene
from pixelnerf.types import Cameras, Photos, Rays, RenderOutput

# The original's rays are rendered so many at once, as its evaluation does on a small machine.
ORIGINAL_RAYS_PER_CHUNK = 128


def photos_of(scenes: Sequence[Scene], views: int, device: torch.device) -> Photos:
    """The first views of scenes, as one batch."""
    chosen = [range(views)] * len(scenes)
    return stack_photos(scenes, chosen, [list(scene.images(range(views))) for scene in scenes]).to(device)


def image_size(camera: Cameras, side: int) -> Cameras:
    """The camera with another number of pixels across the same field of view."""
    return camera.scaled(side / camera.sizes.max().item())


def some_rays(scenes: Sequence[Scene], view: int, count: int, device: torch.device) -> Rays:
    """`count` rays of each scene, evenly spread over the pixels of a view."""
    rays = [image_rays(scene.cameras()[view], scene.near, scene.far) for scene in scenes]
    entries = [torch.linspace(0, one.origins.shape[0] - 1, count).long() for one in rays]
    chosen = [one.map_tensors(lambda values, at=at: values[at]) for one, at in zip(rays, entries, strict=True)]
    fields = ("origins", "directions", "radii", "near", "far")
    return Rays(*(torch.stack([getattr(one, name) for one in chosen]) for name in fields)).to(device)


class TrainingStep:
    """Encoding, rendering, loss, backward and the optimiser's step, on fixed data."""

    def __init__(
        self, net: Net, renderer: Net | OriginalRenderer, photos: Photos, rays: Rays, train_coarse: bool = True
    ) -> None:
        self._net, self._renderer, self._photos, self._rays = net, renderer, photos, rays
        self._train_coarse = train_coarse
        self._optimizer = torch.optim.Adam(net.parameters(), lr=0.0, fused=True)
        self._background = torch.ones(len(photos.present), 3, device=rays.origins.device)

    def _render(self, generator: torch.Generator) -> RenderOutput:
        # Written twice because each renderer takes only its own kind of features.
        if isinstance(self._renderer, Net):
            features = self._renderer.encode(self._photos)
            return self._renderer.render(features, self._rays, self._background, generator, self._train_coarse)
        latents = self._renderer.encode(self._photos)
        return self._renderer.render(latents, self._rays, self._background, generator)

    def __call__(self) -> None:
        """One step. The learning rate is zero, so that every repeat does the same."""
        self._net.train()
        generator = torch.Generator(self._rays.origins.device).manual_seed(0)
        output = self._render(generator)
        target = torch.full_like(output.color, 0.5)
        loss = F.mse_loss(output.color, target)
        if output.coarse is not None and self._train_coarse:
            loss = loss + F.mse_loss(output.coarse.color, target)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._net.eval()


@torch.inference_mode()
def original_rays(original: OriginalRenderer, photos: Photos, rays: Rays) -> Float[Tensor, "ray 3"]:
    """Rays of one scene as the original renders them, photos encoded first."""
    latents = original.encode(photos)
    background = torch.ones(1, 3, device=rays.origins.device)
    count = rays.origins.shape[1]
    parts = [slice(first, first + ORIGINAL_RAYS_PER_CHUNK) for first in range(0, count, ORIGINAL_RAYS_PER_CHUNK)]
    return torch.cat([original.render(latents, rays[part], background).color[0] for part in parts])


@torch.inference_mode()
def render_views(net: Net, photos: Photos, scene: Scene, cameras: Cameras, quality: Quality) -> list[ImageOutput]:
    """Views of one scene from its photos: encoded once, and one grid for all."""
    features = net.encode(photos)
    views = [scene.view_of(camera) for camera in cameras]
    grid = shared_grid(net, features, views, quality)
    return [render_image(net, features, view, quality=quality, grid=grid) for view in views]
