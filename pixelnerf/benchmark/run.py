"""The benchmark itself: what is measured, and in what order."""

from collections.abc import Callable
from statistics import fmean
from typing import Any

import torch

from pixelnerf.benchmark.config import BenchmarkConfig
from pixelnerf.benchmark.measure import Work, flops, median_seconds, peak_memory, seconds, seconds_by_part
from pixelnerf.benchmark.workload import (
    build_nets,
    fast_views,
    photos_of,
    rays_of,
    render_original,
    render_views,
    resized,
    training_step,
)
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import psnr
from pixelnerf.model.image import render_image
from pixelnerf.model.net import Net, build_net
from pixelnerf.model.occupied import Quality, shared_grid
from pixelnerf.scenes.scene import Scene, SceneDataset
from pixelnerf.tools.device import find_device
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Cameras

Results = dict[str, Any]

QUALITIES: tuple[Quality, ...] = ("exact", "high", "fast")


def run_benchmark(config: BenchmarkConfig, dataset: SceneDataset, report: Callable[[str], None]) -> Results:
    """Measures everything and returns what `bench.json` holds. `report` is told what is measured next.

    Raises:
        UserError: an unfit checkpoint, model or original, missing data, or too few scenes.
    """
    benchmark = _Benchmark(config, dataset)
    # Memory first, since a process on the CPU hardly gives any back.
    measurements = {
        "memory_bytes": ("memory", benchmark.memory),
        "psnr": ("pictures in each quality", benchmark.pictures),
        "training_step": ("training step", benchmark.training),
        "views": ("one view and a turntable", benchmark.views),
        "profile": ("where the time goes", benchmark.profile),
        "fps_64": ("frames a second of the trained net", benchmark.frames_per_second),
        "sweeps": ("cost against pixels, photos and samples", benchmark.sweeps),
    }
    results: Results = {}
    for key, (name, measure) in measurements.items():
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
        found = dataset.scenes(config.split)
        wanted = max(config.objects, config.scenes)
        if len(found) < wanted:
            raise UserError(f"the benchmark wants {wanted} scenes, but split '{config.split}' has {len(found)}")
        self.scenes = [found[index] for index in spread(len(found), wanted)]
        self.nets = build_nets(config, self.device)

    def turntable(self, scene: Scene, frames: int) -> Cameras:
        """A scene's own views, repeated until there are enough frames."""
        cameras = scene.cameras()
        chosen = cameras[torch.arange(frames) % len(cameras.sizes)]
        return resized(chosen, self.config.side).to(self.device)

    def memory(self) -> dict[int, int]:
        """Peak bytes of a view in `fast`, by its side."""
        scene = self.scenes[0]
        photos, camera = photos_of([scene], 1, self.device), self.turntable(scene, 1)
        return {
            side: peak_memory(fast_views(self.nets, photos, scene, resized(camera, side)), self.device)
            for side in sorted(self.config.pixels)
        }

    def pictures(self) -> dict[str, float]:
        """The trained net's mean PSNR in dB, by quality."""
        values: dict[str, list[float]] = {quality: [] for quality in QUALITIES}
        for scene in self.scenes[: self.config.scenes]:
            view = scene.num_views // 2
            cameras = scene.cameras()[view : view + 1].to(self.device)
            photos, truth = photos_of([scene], 1, self.device), scene.images([view])[0].movedim(0, -1)
            for quality in QUALITIES:
                (render,) = render_views(self.nets.trained, photos, scene, cameras, quality)
                values[quality].append(psnr(render.color.cpu(), truth))
        return {quality: fmean(found) for quality, found in values.items()}

    def training(self) -> Results:
        config, net, original = self.config, self.nets.timed, self.nets.original
        scenes = self.scenes[: config.objects]
        photos, rays = photos_of(scenes, 1, self.device), rays_of(scenes, config.rays, self.device)
        background = torch.ones(len(scenes), 3, device=self.device)
        ours = training_step(
            net, lambda generator: net.render(net.encode(photos), rays, background, generator, config.train_coarse)
        )
        theirs = training_step(
            original.net, lambda generator: original.render(original.encode(photos), rays, background, generator)
        )
        times = median_seconds({"ours": ours, "theirs": theirs}, config.repeats)
        return {
            "rays": config.objects * config.rays,
            "seconds": times["ours"],
            "original_seconds": times["theirs"],
            "flops": flops(ours),
            "original_flops": flops(theirs),
            "peak_bytes": peak_memory(ours, self.device),
            "original_peak_bytes": peak_memory(theirs, self.device),
        }

    def views(self) -> Results:
        config = self.config
        scenes = self.scenes[: config.scenes]
        photos = [photos_of([scene], 1, self.device) for scene in scenes]
        pixels = int(self.turntable(scenes[0], 1).sizes[0].prod())
        count = min(config.original_rays, pixels)
        rays = rays_of(scenes[:1], count, self.device)

        def ours(frames: int) -> Work:
            cameras = [self.turntable(scene, frames) for scene in scenes]
            works = [fast_views(self.nets, *each) for each in zip(photos, scenes, cameras, strict=True)]
            return lambda: [work() for work in works]

        works = {
            "original": lambda: render_original(self.nets.original, photos[0], rays),
            "view": ours(1),
            "turntable": ours(config.frames),
        }
        times = median_seconds(works, config.repeats)
        return {
            "frames": config.frames,
            # Encoding is a hundredth of the original's time, and is scaled along with its rays where these are few.
            "original_view_seconds": times["original"] * pixels / count,
            "view_seconds": times["view"] / len(scenes),
            "frame_seconds": times["turntable"] / (len(scenes) * config.frames),
        }

    @torch.inference_mode()
    def profile(self) -> Results:
        """Seconds by part: of the original's rays, of a view, and of a frame, whose features and grid are given."""
        nets, scene = self.nets, self.scenes[0]
        photos, cameras = photos_of([scene], 1, self.device), self.turntable(scene, 1)
        rays = rays_of([scene], self.config.original_rays, self.device)
        view, features = scene.view_of(cameras[0]), nets.timed.encode(photos)
        grid = shared_grid(nets.trained, nets.trained.encode(photos), [view], "fast")
        works = {
            "original": lambda: render_original(nets.original, photos, rays),
            "one view": fast_views(nets, photos, scene, cameras),
            "a frame": lambda: render_image(nets.timed, features, view, quality="fast", grid=grid),
        }
        return {name: seconds_by_part(work, self.device) for name, work in works.items()}

    def frames_per_second(self) -> float:
        """Of the trained net at its own size, 64 pixels across, in `fast`; encoding and grid are shared."""
        scene, frames = self.scenes[0], self.config.frames
        photos, cameras = photos_of([scene], 1, self.device), resized(self.turntable(scene, frames), 64)
        work = {"turntable": lambda: render_views(self.nets.trained, photos, scene, cameras, "fast")}
        return frames / median_seconds(work, self.config.repeats)["turntable"]

    def sweeps(self) -> Results:
        """Seconds of one view by the trained net at its own size."""
        config, scene, net = self.config, self.scenes[0], self.nets.trained
        camera = self.turntable(scene, 1)
        variants = {
            "pixels": {side: (net, 1, resized(camera, side)) for side in sorted(config.pixels)},
            "views": {count: (net, count, camera) for count in config.views if count < scene.num_views},
            "samples": {count: (_with_coarse_samples(net, count), 1, camera) for count in config.samples},
        }

        def measure(net: Net, views: int, camera: Cameras, quality: Quality) -> float:
            photos = photos_of([scene], views, self.device)
            return seconds(lambda: render_views(net, photos, scene, camera, quality))

        return {
            quality: {
                kind: {value: measure(*variant, quality) for value, variant in points.items()}
                for kind, points in variants.items()
            }
            for quality in ("fast", "exact")
        }


def _with_coarse_samples(net: Net, count: int) -> Net:
    """The same weights with another number of coarse samples."""
    renderer = net.config.renderer.model_copy(update={"coarse_samples": count})
    other = build_net(net.config.model_copy(update={"renderer": renderer}), load_pretrained=False).eval()
    other.load_state_dict(net.state_dict())
    return other.to(next(net.parameters()).device)
