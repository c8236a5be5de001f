"""What is timed: a training step and views of real scenes, by our way and by the original's.

What a net costs does not depend on its weights, except through the space that it finds empty, and a net of the
paper's size takes days to train. So an untrained net borrows the empty space of a trained one: it evaluates its own
field on the occupancy grid, but the results are replaced by the trained net's (see `fast_views`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.benchmark.config import BenchmarkConfig
from pixelnerf.benchmark.measure import Work
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.errors import UserError
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.image import ImageOutput, render_image
from pixelnerf.model.net import Net, build_net
from pixelnerf.model.occupancy import check_can_skip
from pixelnerf.model.occupied import Quality, shared_grid
from pixelnerf.model.original import OriginalRenderer
from pixelnerf.scenes.photos import stack_photos
from pixelnerf.scenes.scene import Scene
from pixelnerf.types import Cameras, Photos, Rays, RenderOutput

# As the original's evaluation does on a small machine.
ORIGINAL_RAYS_PER_CHUNK = 128


@dataclass(frozen=True)
class Nets:
    """`timed` has the size in question, `trained` knows the scenes; they may be the same."""

    timed: Net
    trained: Net
    original: OriginalRenderer


def build_nets(config: BenchmarkConfig, device: torch.device) -> Nets:
    """The nets, in evaluation mode.

    Raises:
        UserError: a checkpoint that is missing or whose densities mean something else, a model that cannot skip empty
            space, or an unfit original.
    """
    torch.manual_seed(0)
    models = (config.original, config.model)
    original, timed = (build_net(model, load_pretrained=False).eval().to(device) for model in models)
    trained = timed if config.checkpoint is None else load_checkpoint(config.checkpoint).net.to(device)
    if trained.config == timed.config:
        timed = trained
    for net in (timed, trained):
        check_can_skip(net)
    for key in ("field.density_activation", "renderer.density_unit", "renderer.normalize_directions"):
        theirs, ours = (attrgetter(key)(net.config) for net in (trained, timed))
        if theirs != ours:
            raise UserError(f"checkpoint={config.checkpoint} has {key}={theirs}: set model.{key} to it, not to {ours}")
    return Nets(timed, trained, OriginalRenderer(original))


def photos_of(scenes: Sequence[Scene], views: int, device: torch.device) -> Photos:
    """The first views of scenes, as one batch."""
    chosen = [range(views)] * len(scenes)
    return stack_photos(scenes, chosen, [list(scene.images(range(views))) for scene in scenes]).to(device)


def resized(cameras: Cameras, side: int) -> Cameras:
    """Cameras with another number of pixels across the same field of view."""
    return cameras.scaled(side / cameras.sizes.max().item())


def rays_of(scenes: Sequence[Scene], count: int, device: torch.device) -> Rays:
    """`count` rays of each scene, evenly spread over the pixels of its second view."""
    parts = []
    for scene in scenes:
        rays = image_rays(scene.cameras()[1], scene.near, scene.far)
        chosen = torch.linspace(0, len(rays.origins) - 1, count).long()
        parts.append([getattr(rays, field.name)[chosen] for field in fields(Rays)])
    return Rays(*(torch.stack(values) for values in zip(*parts, strict=True))).to(device)


def training_step(net: Net, render: Callable[[torch.Generator], RenderOutput]) -> Work:
    """Rendering (which encodes, too), loss, backward and the optimiser's step. It learns nothing: all repeats agree."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.0, fused=True)
    device = next(net.parameters()).device

    def step() -> None:
        net.train()
        output = render(torch.Generator(device).manual_seed(0))
        loss = (output.color - 0.5).square().mean()
        if output.coarse is not None:
            loss = loss + (output.coarse.color - 0.5).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        net.eval()

    return step


@torch.inference_mode()
def render_original(original: OriginalRenderer, photos: Photos, rays: Rays) -> Float[Tensor, "ray 3"]:
    """Rays of one scene as the original renders them; encodes the photos first."""
    latents = original.encode(photos)
    background = torch.ones(1, 3, device=rays.origins.device)
    chunks = range(0, rays.origins.shape[1], ORIGINAL_RAYS_PER_CHUNK)
    parts = [rays[first : first + ORIGINAL_RAYS_PER_CHUNK] for first in chunks]
    return torch.cat([original.render(latents, part, background).color[0] for part in parts])


@torch.inference_mode()
def render_views(net: Net, photos: Photos, scene: Scene, cameras: Cameras, quality: Quality) -> list[ImageOutput]:
    """Views of one scene: its photos are encoded once, and all views share one grid."""
    features = net.encode(photos)
    views = [scene.view_of(camera) for camera in cameras]
    grid = shared_grid(net, features, views, quality)
    return [render_image(net, features, view, quality=quality, grid=grid) for view in views]


def fast_views(nets: Nets, photos: Photos, scene: Scene, cameras: Cameras) -> Work:
    """Rendering views with the timed net in `fast`, in the trained net's empty space."""
    views = [scene.view_of(camera) for camera in cameras]
    answers = []
    trained, timed = (net.fields[-1] for net in (nets.trained, nets.timed))
    keep = trained.register_forward_hook(lambda _module, _inputs, output: answers.append(output))
    with keep, torch.inference_mode():
        shared_grid(nets.trained, nets.trained.encode(photos), views, "fast")

    @torch.inference_mode()
    def work() -> None:
        features = nets.timed.encode(photos)
        remaining = iter(answers)
        with timed.register_forward_hook(lambda *_: next(remaining)):
            grid = shared_grid(nets.timed, features, views, "fast")
        for view in views:
            render_image(nets.timed, features, view, quality="fast", grid=grid)

    return work
