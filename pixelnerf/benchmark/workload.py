"""What is timed, by our way and by the original's: a training step and views of real scenes; and how it is measured.

What a net costs does not depend on its weights, except through the space that it finds empty, and a net of the
paper's size takes days to train. So an untrained net borrows the empty space of a trained one: it evaluates its own
field on the occupancy grid, but the results are replaced by the trained net's (see `fast_views`).
"""

import contextlib
import re
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from jaxtyping import Float
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import timer
from torch.utils.flop_counter import FlopCounterMode

from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.image import render_image
from pixelnerf.model.net import Net
from pixelnerf.model.occupied import Quality, shared_grid
from pixelnerf.model.original import OriginalRenderer
from pixelnerf.scenes.photos import stack_photos
from pixelnerf.scenes.scene import Scene
from pixelnerf.types import Cameras, ImageOutput, Photos, Rays, RenderOutput

Work = Callable[[], object]

# As the original's evaluation does on a small machine.
ORIGINAL_RAYS_PER_CHUNK = 128
PARTS = ("encoder", "look-up", "encoding", "mlp", "sampling", "compositing")
"""The labels under which the model records what it does; see `seconds_by_part`."""


@dataclass(frozen=True)
class Nets:
    """`timed` has the size in question, `trained` knows the scenes; they may be the same."""

    timed: Net
    trained: Net
    original: OriginalRenderer


def photos_of(scenes: Sequence[Scene], views: int, device: torch.device) -> Photos:
    """The first views of scenes, as one batch."""
    chosen = range(views)
    return stack_photos(scenes, [chosen] * len(scenes), [list(scene.images(chosen)) for scene in scenes]).to(device)


def resized(cameras: Cameras, side: int) -> Cameras:
    """Cameras with another number of pixels across the same field of view."""
    return cameras.scaled(side / cameras.sizes.max().item())


def rays_of(scenes: Sequence[Scene], count: int, device: torch.device) -> Rays:
    """`count` rays of each scene, evenly spread over the pixels of its second view."""
    parts = []
    for scene in scenes:
        rays = image_rays(scene.cameras()[1], scene.near, scene.far)
        chosen = torch.linspace(0, len(rays.origins) - 1, count).long()
        parts.append(Rays(*(tensor[chosen] for tensor in vars(rays).values())))
    return Rays.stack(parts).to(device)


def training_step(net: Net, render: Callable[[torch.Generator], RenderOutput]) -> Work:
    """Rendering (which encodes, too), loss, backward and the optimiser's step. It learns nothing: all repeats agree."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.0, fused=True)
    device = next(net.parameters()).device

    def step() -> None:
        net.train()
        output = render(torch.Generator(device).manual_seed(0))
        passes = [output] if output.coarse is None else [output, output.coarse]
        torch.stack([(one.color - 0.5).square().mean() for one in passes]).sum().backward()
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
    # Of a field's answers, the grid only wants the density.
    trained, timed = (net.fields[-1].get_submodule("density") for net in (nets.trained, nets.timed))
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


def seconds(work: Work) -> float:
    """How long one call takes; waits for a GPU."""
    start = timer()
    work()
    return timer() - start


def median_seconds(works: Mapping[str, Work], repeats: int) -> dict[str, float]:
    """Median times after one unmeasured round. The works take turns, so that a busy machine slows all alike."""
    rounds = [{name: seconds(work) for name, work in works.items()} for _ in range(1 + repeats)]
    return {name: median(times[name] for times in rounds[1:]) for name in works}


def seconds_by_part(work: Work, device: torch.device) -> dict[str, float]:
    """Seconds of one call in each of `PARTS` (forward only), and in "other"; the profiler slows it a little."""
    on_gpu = device.type == "cuda"
    work()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiler:
        total = seconds(work)
    parts = dict.fromkeys(PARTS, 0.0)
    for event in profiler.key_averages():
        if event.key in parts:
            parts[event.key] += (event.device_time_total if on_gpu else event.cpu_time_total) / 1e6
    return parts | {"other": max(total - sum(parts.values()), 0.0)}


def peak_memory(work: Work, device: torch.device) -> int:
    """The most bytes in use during a call: of the process on the CPU, of torch's tensors on a GPU."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):
        # Linux then counts the peak from what is in use now; elsewhere there is no such file.
        Path("/proc/self/clear_refs").write_text("5")
    work()
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if not status.is_file():
        # macOS: bytes, and the peak of the whole process so far.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) * 1024


def flops(work: Work) -> int:
    """Floating-point operations of the matrix products and convolutions in one call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
