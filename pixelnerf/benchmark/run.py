"""The benchmark itself: what is measured, and in what order."""

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from statistics import fmean
from typing import Annotated, Any, cast, get_args

import torch
import torch.nn.functional as F
from pydantic import Field

from pixelnerf.benchmark import workload
from pixelnerf.benchmark.workload import Way
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.config import Config, WrittenPath
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import psnr
from pixelnerf.model.baked import render_baked
from pixelnerf.model.baking import bake
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.image import render_image
from pixelnerf.model.net import PhotoNet, build_net
from pixelnerf.model.occupied import Quality, check_quality, shared_grid
from pixelnerf.model.original import OriginalRenderer
from pixelnerf.scenes.photos import stack_photos
from pixelnerf.scenes.scene import Scene, SceneDataset
from pixelnerf.tools.device import Precision, fast_bfloat16, find_device, uses_bfloat16
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Photos, SceneFeatures, View

Results = dict[str, Any]
Count = Annotated[int, Field(ge=1)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1)]
Prepare = Callable[[SceneFeatures, Sequence[View]], Any]  # the grid or volume that views share

# Numbers of input photos, and of threads; a turntable's frames, which share one encoding and one grid.
VIEWS, THREADS, FRAMES = (1, 3), (1, 2), 40
# Views of each scene that are compared with its photos, and by what whole numbers all are downscaled.
TARGETS, DOWNSCALES = 3, (1, 2, 4)
# pixelNeRF's training step has 4 objects and 128 rays of each; of a view as many rays, each of which costs the same.
OBJECTS, RAYS = 4, 128


class BenchmarkConfig(Config):
    """What `scripts/benchmark.py` composes.

    Attributes:
        model: the net whose training step and exact view are timed; their cost does not depend on its weights.
        original: the same of the net that is timed the original's way.
        checkpoint: trained weights, rendered in every quality.
        precision: of the trained net's products; the other two are timed in every one that is fast here.
        scenes: how many of the test split are rendered.
        cells: along the longest side of a baked object, for the curve of cells against PSNR.
        pixels: sides of baked frames.
        repeats: of the comparison with the original; the median counts.
        output: the folder of `bench.json` and `bench.png`.
        device: a torch device, or "auto" for a GPU where there is one.
    """

    model: ModelConfig
    original: ModelConfig
    checkpoint: WrittenPath
    precision: Precision
    scenes: Count
    cells: Counts
    pixels: Counts
    repeats: Count
    output: WrittenPath
    device: str


def run_benchmark(config: BenchmarkConfig, dataset: SceneDataset, report: Callable[[str], None]) -> Results:
    """Measures everything and returns what `bench.json` holds. `report` is told what is measured next.

    Raises:
        UserError: an unfit checkpoint or original, missing data, or too few scenes or photos.
    """
    benchmark = _Benchmark(config, dataset)
    device, results = benchmark.device, Results()
    half = uses_bfloat16(config.precision, device.type)
    for measure in (benchmark.frames_per_second, benchmark.qualities, benchmark.cells):
        report(measure.__name__.replace("_", " "))
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
            results[measure.__name__] = measure()
    report("training step and exact view, ours and the original's way")
    facts = {"checkpoint": config.checkpoint.name, "device": str(device), "threads": torch.get_num_threads()}
    return results | benchmark.original() | facts | {"precision": "bfloat16" if half else "float32"}


class _Benchmark:
    """The measurements, and what they share."""

    def __init__(self, config: BenchmarkConfig, dataset: SceneDataset) -> None:
        self.config, self.device = config, find_device(config.device)
        found, wanted = dataset.scenes("test"), max(OBJECTS, config.scenes)
        if len(found) < wanted:
            raise UserError(f"the benchmark wants {wanted} scenes, but the test split has {len(found)}")
        self.trained_on, self.shown = ([found[i] for i in spread(len(found), n)] for n in (OBJECTS, config.scenes))
        if (fewest := min(scene.num_views for scene in self.shown)) < max(VIEWS) + TARGETS:
            raise UserError(f"a scene has {fewest} photos, but the benchmark wants {max(VIEWS) + TARGETS}")
        self.net = cast(PhotoNet, load_checkpoint(config.checkpoint).net.to(self.device))
        check_quality(self.net, "baked", in_ndc=any(scene.ndc is not None for scene in self.shown))
        torch.manual_seed(0)
        models = (config.model, config.original)
        net, original = (build_net(model, load_pretrained=False).eval().to(self.device) for model in models)
        self.ways = {"ours": Way(net, net), "original": Way(original, OriginalRenderer(original))}

    def photos(self, *scenes: Scene, count: int = 1) -> Photos:
        """Evenly spread views of scenes, as one batch."""
        chosen = [spread(scene.num_views, count) for scene in scenes]
        images = [list(scene.images(views)) for scene, views in zip(scenes, chosen, strict=True)]
        return stack_photos(scenes, chosen, images).to(self.device)

    def turntable(self, scene: Scene, side: int | None = None) -> list[View]:
        """A scene's own views, repeated until there are enough frames; as large as its photos, or resized."""
        cameras = scene.cameras()[torch.arange(FRAMES) % scene.num_views]
        scale = 1.0 if side is None else side / cameras.sizes.max().item()
        return [scene.view_of(camera) for camera in cameras.scaled(scale).to(self.device)]

    def frames_per_second(self) -> dict[int, dict[int, float]]:
        """Of an object baked from one photo, by number of threads and side."""
        scene = self.shown[0]
        volume = bake(self.net, self.net.encode(self.photos(scene)), self.turntable(scene))

        def rate(side: int, threads: int) -> float:
            views = self.turntable(scene, side)[:: ceil(FRAMES / 4)]
            return len(views) / workload.seconds(lambda: [render_baked(volume, view) for view in views], threads)

        return {threads: {side: rate(side, threads) for side in self.config.pixels} for threads in THREADS}

    def qualities(self) -> dict[int, Any]:
        """What is `measured`, by number of photos and quality."""
        prepare = {name: partial(shared_grid, self.net, quality=name) for name in get_args(Quality)}
        return {count: {name: self.measured(count, name, prepare[name]) for name in prepare} for count in VIEWS}

    def cells(self) -> dict[int, Any]:
        """What is `measured`, by number of photos and cells."""
        prepare = {cells: partial(bake, self.net, cells=cells) for cells in self.config.cells}
        return {count: {cells: self.measured(count, "baked", prepare[cells]) for cells in prepare} for count in VIEWS}

    def measured(self, count: int, quality: Quality, prepare: Prepare) -> Results:
        """Mean seconds, and by downscale each scene's mean PSNR in dB over views that are not input photos."""
        times, scores = [], {downscale: [] for downscale in DOWNSCALES}
        for scene in self.shown:
            photos, views = self.photos(scene, count=count), self.turntable(scene)
            features = self.net.encode(photos)
            render = partial(render_image, self.net, features, quality=quality, grid=prepare(features, views))
            works = (partial(self.net.encode, photos), partial(prepare, features, views), partial(render, views[0]))
            times.append([workload.seconds(work) for work in works])
            others = sorted(set(range(scene.num_views)) - set(spread(scene.num_views, count)))
            targets = [others[index] for index in spread(len(others), TARGETS)]
            for downscale, values in scores.items():
                truths = F.avg_pool2d(scene.images(targets), downscale).movedim(1, -1)
                cameras = scene.cameras()[targets].scaled(1 / downscale).to(self.device)
                renders = [render(scene.view_of(camera)).color.cpu() for camera in cameras]
                values.append(fmean(map(psnr, renders, truths)))
        encode, shared, view = map(fmean, zip(*times, strict=True))
        seconds = {"encode_seconds": encode, "grid_seconds": shared, "view_seconds": view}
        return seconds | {"frame_seconds": (encode + shared) / FRAMES + view, "psnr": scores}

    def original(self) -> Results:
        """Of a training step and an exact view, by precision, ours and the original's: see `workload.compare`."""
        batch = (self.photos(*self.trained_on), workload.rays_of(self.trained_on, RAYS, self.device))
        single = (self.photos(self.shown[0]), workload.rays_of(self.shown[:1], OBJECTS * RAYS, self.device))
        results: Results = {"training_step": {}, "view": {}}
        for name in ("float32", *(["bfloat16"] if fast_bfloat16(self.device.type) else [])):
            products = torch.autocast(self.device.type, torch.bfloat16, enabled=name == "bfloat16")
            steps = {key: partial(way.training_step, *batch, products) for key, way in self.ways.items()}
            views = {key: partial(way.view, *single, products) for key, way in self.ways.items()}
            results["training_step"][name] = workload.compare(steps, self.config.repeats)
            results["view"][name] = workload.compare(views, self.config.repeats)
        return results
