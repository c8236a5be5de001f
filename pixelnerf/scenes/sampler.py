"""Training batches: objects, their input photos, and target pixels.

Randomness is a pure function of (seed, step, position in the batch): a resumed run needs no state to continue with the
next batch, and processes that train together make their shares of the batch that one process would make.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.geometry.ndc import to_ndc
from pixelnerf.geometry.rays import rays_through_pixels, within_cube
from pixelnerf.scenes.batch_config import BatchConfig
from pixelnerf.scenes.photo_damage import PhotoDamageConfig, damaged
from pixelnerf.scenes.photos import draw_color_map, stack_photos
from pixelnerf.scenes.scene import DamagedScenes, Scene, SceneGroup
from pixelnerf.types import Cameras, Photos, Rays, TensorRecord


@dataclass(frozen=True)
class TrainBatch(TensorRecord):
    """Input photos, target rays, and the true colours and coverages of their pixels in [0, 1].

    The rays of a pixel's sub-pixels are adjacent. Coverage is the share of the pixel inside the object's mask, NaN for
    scenes without masks.
    """

    photos: Photos
    rays: Rays
    colors: Float[Tensor, "batch pixel 3"]
    coverage: Float[Tensor, "batch pixel"]
    background: Float[Tensor, "batch 3"]
    names: tuple[str, ...]


@dataclass(frozen=True)
class PixelChoice(TensorRecord):
    """The pixel of a view, downscaled by `downscale`, that each ray goes through."""

    views: Int[Tensor, "ray"]
    columns: Int[Tensor, "ray"]
    rows: Int[Tensor, "ray"]
    downscale: Int[Tensor, "ray"]


@dataclass(frozen=True)
class SceneChoice:
    """One scene's share of a batch.

    `half_side` is of the cube its rays are sampled in, infinite for none; `up` is zero if unknown.
    """

    scene: Scene
    sources: list[int]
    pixels: PixelChoice
    colors: Float[Tensor, "ray 3"]
    coverage: Float[Tensor, "ray"]
    photos: list[Float[Tensor, "3 height width"]]
    half_side: float
    up: Float[Tensor, "3"]


class BatchSampler:
    """Makes the training batch of any step.

    Args:
        groups: the scenes to draw from.
        config: what a batch holds.
        seed: of the run.
        damaged: handles scenes with bad files.
        share: this process's rank among those that train together, and their number; all make equally many scenes of a
            batch.

    Raises:
        UserError: there are no scenes, or a batch's cannot be divided among the processes.
    """

    def __init__(
        self,
        groups: Sequence[SceneGroup],
        config: BatchConfig,
        seed: int,
        damaged: DamagedScenes,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._groups = [group for group in groups if len(group.scenes)]
        if not self._groups:
            raise UserError("the training split has no scenes: check dataset.root and its split lists")
        rank, processes = share
        if config.objects % processes:
            raise UserError(
                f"trainer.loader.batch.objects={config.objects} scenes cannot be divided among {processes} processes; "
                f"make it a multiple (for one scene, with fewer trainer.loader.batch.rays of each), or start fewer"
            )
        count = config.objects // processes
        self._share = range(rank * count, (rank + 1) * count)
        weights = np.array([group.weight for group in self._groups])
        self._shares = np.cumsum(weights / weights.sum())
        self._config = config
        self._seed = seed
        self._damaged = damaged

    def batch(self, step: int) -> TrainBatch:
        """This process's share of the batch of a step.

        Raises:
            UserError: a scene has a bad file or too few views.
        """
        least, most = self._config.source_views
        drawn = np.random.default_rng([self._seed, step]).integers(least, most + 1, size=self._config.objects).tolist()
        counts = drawn if self._config.mixed_view_counts else drawn[:1] * len(drawn)
        chosen = [
            self.choose(np.random.default_rng([self._seed, step, position]), counts[position], step)
            for position in self._share
        ]
        scenes = [choice.scene for choice in chosen]
        photos = stack_photos(scenes, [choice.sources for choice in chosen], [choice.photos for choice in chosen])
        if photos.half_sides is not None:
            photos = replace(photos, half_sides=torch.tensor([choice.half_side for choice in chosen]))
        if photos.up is not None:
            photos = replace(photos, up=torch.stack([choice.up for choice in chosen]))
        return TrainBatch(
            photos=photos,
            rays=_stack_rays(scenes, [choice.pixels for choice in chosen], self._config.supersample),
            colors=torch.stack([choice.colors for choice in chosen]),
            coverage=torch.stack([choice.coverage for choice in chosen]),
            background=torch.tensor([scene.background for scene in scenes]),
            names=tuple(scene.name for scene in scenes),
        )

    def choose(self, random: np.random.Generator, source_count: int, step: int) -> SceneChoice:
        """Draws a scene, its input photos, and target pixels."""
        while True:
            group = self._groups[np.searchsorted(self._shares[:-1], random.random(), side="right")]
            index = int(random.integers(len(group.scenes)))
            with self._damaged.guard(group.scenes, index):
                return self._choose_in(random, group.scenes[index], source_count, step)

    def _choose_in(self, random: np.random.Generator, scene: Scene, source_count: int, step: int) -> SceneChoice:
        order = random.permutation(scene.num_views)
        targets = order if self._config.include_source_targets else order[source_count:]
        if source_count > scene.num_views or not len(targets):
            raise UserError(
                f"scene '{scene.name}' has {scene.num_views} views, too few for {source_count} inputs and a target; "
                "lower trainer.loader.batch.source_views"
            )
        sources = order[:source_count].tolist()
        half_side = scene.half_side
        if half_side is None or random.random() < self._config.unbounded_share:
            half_side = math.inf
        views = random.permutation(targets)[: self._config.target_views]
        pixels = self._choose_pixels(random, scene, views, step, half_side)
        colors, coverage = scene.pixels(pixels.views, pixels.columns, pixels.rows, pixels.downscale)
        photos = [scene.images([view])[0] for view in sources]
        if self._config.color_jitter > 0:
            change = draw_color_map(random, self._config.color_jitter, colors.mean(dim=0))
            colors, photos = change(colors), [change(photo.movedim(0, -1)).movedim(-1, 0) for photo in photos]
        if self._config.photo_damage is not None:
            photos = self._damage(random, scene, sources, photos, self._config.photo_damage)
        up = self._draw_up(random, scene)
        return SceneChoice(scene, sources, pixels, colors, coverage, photos, half_side, up)

    def _draw_up(self, random: np.random.Generator, scene: Scene) -> Float[Tensor, "3"]:
        """What the model is told: often a little wrong, as people are."""
        own = random.spawn(1)[0]
        if scene.up is None or own.random() < self._config.unknown_up_share:
            return torch.zeros(3)
        # Two of the three components tilt, and the third turns about up, which changes nothing.
        tilt = np.radians(self._config.up_error) * own.standard_normal(3)
        return torch.from_numpy(Rotation.from_rotvec(tilt).apply(scene.up)).float()

    def _damage(
        self,
        random: np.random.Generator,
        scene: Scene,
        sources: Sequence[int],
        photos: Sequence[Float[Tensor, "3 height width"]],
        config: PhotoDamageConfig,
    ) -> list[Float[Tensor, "3 height width"]]:
        # A generator of its own, so that scenes, views and pixels are the same with and without damage.
        own = random.spawn(1)[0]
        masks = [scene.masks([view]) for view in sources]
        return [
            damaged(photo, None if mask is None else mask[0], scene.background, config, own)
            for photo, mask in zip(photos, masks, strict=True)
        ]

    def _choose_pixels(
        self, random: np.random.Generator, scene: Scene, targets: np.ndarray, step: int, half_side: float
    ) -> PixelChoice:
        if math.isinf(half_side):
            return self._draw_pixels(random, scene, targets, step, self._config.rays)
        # A third of a photo's pixels miss the cube and teach nothing, so twice as many are drawn and hits come first.
        drawn = self._draw_pixels(random, scene, targets, step, 2 * self._config.rays)
        rays = within_cube(_stack_rays([scene], [drawn], 1), torch.tensor([half_side]))
        misses = (rays.near >= rays.far)[0]
        kept = torch.sort(misses, stable=True).indices[: self._config.rays]
        return drawn.map_tensors(lambda tensor: tensor[kept])

    def _draw_pixels(
        self, random: np.random.Generator, scene: Scene, targets: np.ndarray, step: int, count: int
    ) -> PixelChoice:
        views = targets[random.integers(len(targets), size=count)]
        stages = [[downscale] for downscale, end in self._config.coarse_first if step < end]
        downscales = np.array((*stages, self._config.downscales)[0])
        downscale = downscales[random.integers(len(downscales), size=count)]
        sizes = scene.cameras().sizes.numpy()[views] // downscale[:, None]
        boxes = np.concatenate([np.zeros_like(sizes), sizes], axis=1)
        if step < self._config.box_until_step:
            drawn, inverse = np.unique(views, return_inverse=True)
            tight = np.array([scene.box(view) for view in drawn.tolist()])[inverse]
            boxes[:, :2] = tight[:, :2] // downscale[:, None]
            boxes[:, 2:] = np.minimum(-(-tight[:, 2:] // downscale[:, None]), sizes)
        corners = np.minimum(boxes[:, :2], boxes[:, 2:] - 1)
        chosen_pixels = corners + np.floor(random.random((count, 2)) * (boxes[:, 2:] - corners)).astype(np.int64)
        columns, rows = chosen_pixels.T.copy()
        return PixelChoice(*(torch.from_numpy(part) for part in (views, columns, rows, downscale)))


def _stack_rays(scenes: Sequence[Scene], chosen: Sequence[PixelChoice], supersample: int) -> Rays:
    """One call for the whole batch: each ray has its own view's camera and its own downscale."""
    pixels = PixelChoice.stack(chosen)
    cameras = Cameras.stack([scene.cameras()[choice.views] for scene, choice in zip(scenes, chosen, strict=True)])
    zoom = supersample / pixels.downscale
    ray_cameras = replace(
        cameras,
        intrinsics=cameras.intrinsics * torch.stack([zoom, zoom, torch.ones_like(zoom)], dim=-1)[..., None],
        sizes=cameras.sizes // pixels.downscale[..., None] * supersample,
    )
    inside = torch.arange(supersample)
    offsets = torch.stack(torch.meshgrid(inside, inside, indexing="xy"), dim=-1).flatten(0, 1)
    bounds = torch.tensor([[scene.near, scene.far] for scene in scenes])[:, None].expand(*zoom.shape, 2)
    corners = torch.stack([pixels.columns, pixels.rows], dim=-1)
    sub_pixels = corners[:, :, None] * supersample + offsets + 0.5
    rays = rays_through_pixels(ray_cameras, sub_pixels, bounds[..., 0], bounds[..., 1])
    rays = rays.map_tensors(lambda tensor: tensor.flatten(1, 2))
    return _in_ndc(rays, scenes)


def _in_ndc(rays: Rays, scenes: Sequence[Scene]) -> Rays:
    scales = [scene.ndc for scene in scenes if scene.ndc is not None]
    if not scales:
        return rays
    if len(scales) < len(scenes):
        raise UserError("scenes with and without NDC cannot be mixed: set the same ndc in all datasets of the mixture")
    return to_ndc(rays, torch.tensor(scales)[:, None])
