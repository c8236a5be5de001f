"""The benchmark itself: what is measured, and in what order."""

from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import torch
from pydantic import Field

from pixelnerf.benchmark import workload
from pixelnerf.benchmark.workload import Nets, Work, fast_views, resized
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import psnr
from pixelnerf.model.cells import check_cells
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.image import render_image
from pixelnerf.model.net import Net, build_net
from pixelnerf.model.occupied import Quality, shared_grid
from pixelnerf.model.original import OriginalRenderer
from pixelnerf.scenes.scene import Scene, SceneDataset, Split
from pixelnerf.tools.device import find_device
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Cameras, Photos

Results = dict[str, Any]
Count = Annotated[int, Field(ge=1)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1)]
QUALITIES: tuple[Quality, ...] = ("exact", "high", "fast")


class BenchmarkConfig(Config):
    """What `scripts/benchmark.py` composes.

    Attributes:
        model: the net that is timed.
        original: the net that is timed the original's way; its cost does not depend on its weights.
        checkpoint: trained weights of any size: their empty space is what `model` skips. None means random weights,
            whose space is nowhere empty, so that the rendering figures mean little.
        split: of the dataset.
        scenes: how many are rendered.
        side: pixels across a rendered view.
        objects: in a training step.
        rays: per object in a training step.
        train_coarse: whether our training step has a loss on the first pass too, as the original's always has.
        frames: in a turntable.
        original_rays: the original renders this many rays of a view, and its time is scaled to the whole view.
        repeats: of every measurement; the median counts.
        pixels: sides of the views in the sweep over size.
        views: numbers of photos in the sweep over photos.
        samples: coarse samples in the sweep over samples.
        output: the folder of `bench.json` and `bench.png`.
        device: a torch device, or "auto" for a GPU where there is one.
    """

    model: ModelConfig
    original: ModelConfig
    checkpoint: Path | None
    split: Split
    scenes: Count
    side: Count
    objects: Count
    rays: Count
    train_coarse: bool
    frames: Count
    original_rays: Count
    repeats: Count
    pixels: Counts
    views: Counts
    samples: Counts
    output: Path
    device: str


def run_benchmark(config: BenchmarkConfig, dataset: SceneDataset, report: Callable[[str], None]) -> Results:
    """Measures everything and returns what `bench.json` holds. `report` is told what is measured next.

    Raises:
        UserError: an unfit checkpoint, model or original, missing data, or too few scenes.
    """
    benchmark = _Benchmark(config, dataset)
    results: Results = {}
    # Memory first, since a process on the CPU hardly gives any back.
    for key, measure, name in (
        ("memory_bytes", benchmark.memory, "memory"),
        ("psnr", benchmark.pictures, "pictures in each quality"),
        ("training_step", benchmark.training, "training step"),
        ("views", benchmark.views, "one view and a turntable"),
        ("profile", benchmark.profile, "where the time goes"),
        ("fps_64", benchmark.frames_per_second, "frames a second of the trained net"),
        ("sweeps", benchmark.sweeps, "cost against pixels, photos and samples"),
    ):
        report(name)
        results[key] = measure()
    training, views = results["training_step"], results["views"]
    device = benchmark.device
    return results | {
        "train_step_ratio": training["original_seconds"] / training["seconds"],
        "view_ratio": views["original_view_seconds"] / views["view_seconds"],
        "turntable_ratio": views["original_view_seconds"] / views["frame_seconds"],
        "psnr_drop": results["psnr"]["exact"] - results["psnr"]["fast"],
        "model": config.model.name,
        "trained_weights": config.checkpoint is not None,
        "borrowed_empty_space": benchmark.nets.timed is not benchmark.nets.trained,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }


class _Benchmark:
    """The measurements, and what they share."""

    def __init__(self, config: BenchmarkConfig, dataset: SceneDataset) -> None:
        self.config, self.device = config, find_device(config.device)
        found, wanted = dataset.scenes(config.split), max(config.objects, config.scenes)
        if len(found) < wanted:
            raise UserError(f"the benchmark wants {wanted} scenes, but split '{config.split}' has {len(found)}")
        scenes = [found[index] for index in spread(len(found), wanted)]
        self.trained_on, self.shown, self.scene = scenes[: config.objects], scenes[: config.scenes], scenes[0]
        self.nets = _nets(config, self.device)

    def photos(self, *scenes: Scene, views: int = 1) -> Photos:
        return workload.photos_of(scenes, views, self.device)

    def turntable(self, scene: Scene, frames: int = 1) -> Cameras:
        """A scene's own views, repeated until there are enough frames."""
        cameras = scene.cameras()
        chosen = cameras[torch.arange(frames) % len(cameras.sizes)]
        return resized(chosen, self.config.side).to(self.device)

    def memory(self) -> dict[int, int]:
        """Peak bytes of a view in `fast`, by its side."""
        photos, camera = self.photos(self.scene), self.turntable(self.scene)
        return {
            side: workload.peak_memory(fast_views(self.nets, photos, self.scene, resized(camera, side)), self.device)
            for side in sorted(self.config.pixels)
        }

    def pictures(self) -> dict[str, float]:
        """The trained net's mean PSNR in dB, by quality."""

        def score(scene: Scene, quality: Quality) -> float:
            view = scene.num_views // 2
            camera = scene.cameras()[view : view + 1].to(self.device)
            (render,) = workload.render_views(self.nets.trained, self.photos(scene), scene, camera, quality)
            return psnr(render.color.cpu(), scene.images([view])[0].movedim(0, -1))

        return {quality: fmean(score(scene, quality) for scene in self.shown) for quality in QUALITIES}

    def training(self) -> Results:
        config, net, original = self.config, self.nets.timed, self.nets.original
        photos, rays = self.photos(*self.trained_on), workload.rays_of(self.trained_on, config.rays, self.device)
        background = torch.ones(config.objects, 3, device=self.device)
        ours = workload.training_step(
            net, lambda generator: net.render(net.encode(photos), rays, background, generator, config.train_coarse)
        )
        theirs = workload.training_step(
            original.net, lambda generator: original.render(original.encode(photos), rays, background, generator)
        )
        works = {"": ours, "original_": theirs}
        results: Results = {"rays": config.objects * config.rays}
        for prefix, time in workload.median_seconds(works, config.repeats).items():
            results[f"{prefix}seconds"] = time
            results[f"{prefix}flops"] = workload.flops(works[prefix])
            results[f"{prefix}peak_bytes"] = workload.peak_memory(works[prefix], self.device)
        return results

    def views(self) -> Results:
        config, scene = self.config, self.scene
        pixels = int(self.turntable(scene).sizes[0].prod())
        count = min(config.original_rays, pixels)
        photos, rays = self.photos(scene), workload.rays_of([scene], count, self.device)

        def ours(frames: int) -> Work:
            works = [fast_views(self.nets, self.photos(one), one, self.turntable(one, frames)) for one in self.shown]
            return lambda: [work() for work in works]

        works = {
            "original": lambda: workload.render_original(self.nets.original, photos, rays),
            "view": ours(1),
            "turntable": ours(config.frames),
        }
        times = workload.median_seconds(works, config.repeats)
        return {
            "frames": config.frames,
            # Encoding is a hundredth of the original's time, and is scaled along with its rays where these are few.
            "original_view_seconds": times["original"] * pixels / count,
            "view_seconds": times["view"] / config.scenes,
            "frame_seconds": times["turntable"] / (config.scenes * config.frames),
        }

    @torch.inference_mode()
    def profile(self) -> Results:
        """Seconds by part: of the original's rays, of a view, and of a frame, whose features and grid are given."""
        nets, scene = self.nets, self.scene
        photos, cameras = self.photos(scene), self.turntable(scene)
        rays = workload.rays_of([scene], self.config.original_rays, self.device)
        view, features = scene.view_of(cameras[0]), nets.timed.encode(photos)
        grid = shared_grid(nets.trained, nets.trained.encode(photos), [view], "fast")
        works = {
            "original": lambda: workload.render_original(nets.original, photos, rays),
            "one view": fast_views(nets, photos, scene, cameras),
            "a frame": lambda: render_image(nets.timed, features, view, quality="fast", grid=grid),
        }
        return {name: workload.seconds_by_part(work, self.device) for name, work in works.items()}

    def frames_per_second(self) -> float:
        """Of the trained net at its own size, 64 pixels across, in `fast`; encoding and grid are shared."""
        scene, frames = self.scene, self.config.frames
        photos, cameras = self.photos(scene), resized(self.turntable(scene, frames), 64)
        work = {"turntable": lambda: workload.render_views(self.nets.trained, photos, scene, cameras, "fast")}
        return frames / workload.median_seconds(work, self.config.repeats)["turntable"]

    def sweeps(self) -> Results:
        """Seconds of one view by the trained net at its own size: by quality, what is varied, and its value."""
        config, scene, net = self.config, self.scene, self.nets.trained
        camera = self.turntable(scene)
        variants = {
            "pixels": {side: (net, 1, resized(camera, side)) for side in sorted(config.pixels)},
            "views": {count: (net, count, camera) for count in config.views if count < scene.num_views},
            "samples": {count: (_with_coarse_samples(net, count), 1, camera) for count in config.samples},
        }

        def measure(net: Net, views: int, camera: Cameras, quality: Quality) -> float:
            photos = self.photos(scene, views=views)
            return workload.seconds(lambda: workload.render_views(net, photos, scene, camera, quality))

        return {
            quality: {
                kind: {value: measure(*variant, quality) for value, variant in points.items()}
                for kind, points in variants.items()
            }
            for quality in ("fast", "exact")
        }


def _nets(config: BenchmarkConfig, device: torch.device) -> Nets:
    torch.manual_seed(0)
    models = (config.original, config.model)
    original, timed = (build_net(model, load_pretrained=False).eval().to(device) for model in models)
    trained = timed if config.checkpoint is None else load_checkpoint(config.checkpoint).net.to(device)
    if trained.config == timed.config:
        timed = trained
    for net in (timed, trained):
        check_cells(net, "fast")
    for key in ("field.density_activation", "renderer.density_unit", "renderer.normalize_directions"):
        theirs, ours = (attrgetter(key)(net.config) for net in (trained, timed))
        if theirs != ours:
            raise UserError(f"checkpoint={config.checkpoint} has {key}={theirs}: set model.{key} to it, not to {ours}")
    return Nets(timed, trained, OriginalRenderer(original))


def _with_coarse_samples(net: Net, count: int) -> Net:
    """The same weights with another number of coarse samples."""
    renderer = net.config.renderer.model_copy(update={"coarse_samples": count})
    other = build_net(net.config.model_copy(update={"renderer": renderer}), load_pretrained=False).eval()
    other.load_state_dict(net.state_dict())
    return other.to(next(net.parameters()).device)
