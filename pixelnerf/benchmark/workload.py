"""What is timed our way and the original's, and how time and work are measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.benchmark import Timer, timer
from torch.utils.flop_counter import FlopCounterMode

from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.net import Net
from pixelnerf.scenes.scene import Scene
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Photos, Rays

Work = Callable[[], object]
# As the original's evaluation does on a small machine; it suits a CPU's caches.
RAYS_PER_CHUNK = 128


def rays_of(scenes: Sequence[Scene], count: int, device: torch.device) -> Rays:
    """`count` rays of each scene, evenly spread over the pixels of its first view."""
    rays = [image_rays(scene.cameras()[0], scene.near, scene.far) for scene in scenes]
    chosen = spread(len(rays[0].origins), count)
    return Rays.stack([one.map_tensors(lambda values: values[chosen]) for one in rays]).to(device)


@dataclass(frozen=True)
class Way:
    """A net, and what encodes its photos and renders its rays."""

    net: Net
    renderer: Any  # a Net or an OriginalRenderer; each takes the features that it has made

    def training_step(self, photos: Photos, rays: Rays, products: torch.autocast) -> None:
        """Encoding, rendering, loss, backward and the optimiser's step, which changes nothing."""
        optimizer = torch.optim.Adam(self.net.parameters(), lr=0.0, fused=True)
        generator = torch.Generator(rays.near.device).manual_seed(0)
        self.net.train()
        with products:
            output = self.renderer.render(
                self.renderer.encode(photos), rays, torch.ones_like(rays.origins[:, 0]), generator
            )
        colors = [one.color for one in (output, output.coarse) if one is not None]
        (torch.stack(colors) - 0.5).square().mean((1, 2, 3)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        self.net.eval()

    @torch.inference_mode()
    def view(self, photos: Photos, rays: Rays, products: torch.autocast) -> Float[Tensor, "ray 3"]:
        """Encoding, and rays of one scene, every sample of them evaluated."""
        with products:
            features, background = self.renderer.encode(photos), torch.ones_like(rays.origins[:, 0])
            starts = range(0, rays.near.shape[1], RAYS_PER_CHUNK)
            parts = [rays[slice(start, start + RAYS_PER_CHUNK)] for start in starts]
            return torch.cat([self.renderer.render(features, part, background).color[0] for part in parts])


def compare(works: Mapping[str, Work], repeats: int) -> dict[str, dict[str, float]]:
    """Median `seconds`, taking turns so that a busy machine slows all alike, and `flops` of products of matrices."""

    def once(work: Work) -> float:
        start = timer()
        work()
        return timer() - start

    counted = {}
    for name, work in works.items():
        with FlopCounterMode(display=False) as counter:
            work()
        counted[name] = counter.get_total_flops()
    rounds = [{name: once(work) for name, work in works.items()} for _ in range(repeats)]
    return {name: {"seconds": median(times[name] for times in rounds), "flops": counted[name]} for name in works}


def seconds(work: Work, threads: int | None = None) -> float:
    """The median time of one call after a first one, with this many threads or torch's own number."""
    repeated = Timer("work()", globals={"work": work}, num_threads=threads or torch.get_num_threads())
    return repeated.blocked_autorange(min_run_time=0.2).median
