"""The benchmark itself: what is measured, in which order, and the figures that are drawn from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pixelnerf.benchmark.config import BenchmarkConfig, Nets, build_nets, with_coarse_samples, with_renderer_of
from pixelnerf.benchmark.measure import Bench, Work, flops, median
from pixelnerf.benchmark.workload import (
    TrainingStep,
    image_size,
    original_rays,
    photos_of,
    render_views,
    some_rays,
)
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import psnr
from pixelnerf.model.image import render_image
from pixelnerf.model.net import Net
from pixelnerf.model.occupied import Quality, shared_grid
from pixelnerf.model.placement import samples_per_ray
from pixelnerf.scenes.scene import Scene, SceneDataset
from pixelnerf.tools.device import find_device
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Cameras

Results = dict[str, Any]
Progress = Callable[[str], None]

QUALITIES: tuple[Quality, ...] = ("exact", "high", "fast")


@dataclass(frozen=True)
class Setting:
    """What all measurements share."""

    config: BenchmarkConfig
    nets: Nets
    bench: Bench
    scenes: Sequence[Scene]

    def cameras(self, scene: Scene) -> Cameras:
        """A turntable of a scene: its views, repeated until there are enough frames."""
        cameras = scene.cameras()
        frames = torch.arange(self.config.frames) % len(cameras.sizes)
        return image_size(cameras[frames], self.config.side).to(self.bench.device)


def run_benchmark(config: BenchmarkConfig, dataset: SceneDataset, report: Progress) -> Results:
    """Measures everything and returns what `bench.json` holds. `report` is told what is measured next.

    Raises:
        UserError: an unfit checkpoint, model or original, missing data, or too few scenes.
    """
    device = find_device(config.device)
    found = dataset.scenes(config.split)
    wanted = max(config.objects, config.scenes)
    if len(found) < wanted:
        raise UserError(f"the benchmark wants {wanted} scenes, but split '{config.split}' has {len(found)}")
    scenes = [found[index] for index in spread(len(found), wanted)]
    setting = Setting(config, build_nets(config, device), Bench(device), scenes)
    report("memory")
    memory = _memory(setting)
    report("pictures in each quality")
    pictures = _pictures(setting)
    report("training step")
    training = _training(setting)
    report("one view and a turntable")
    views = _views(setting)
    report("where the time goes")
    profile = _profile(setting)
    report("frames a second of the trained net")
    small = _frames_per_second(setting)
    report("cost against pixels, photos and samples")
    sweeps = _sweeps(setting)
    return {
        "train_step_ratio": training["original_seconds"] / training["seconds"],
        "view_ratio": views["original_view_seconds"] / views["view_seconds"],
        "turntable_ratio": views["original_view_seconds"] / views["frame_seconds"],
        "psnr_drop": pictures["exact"] - pictures["fast"],
        "mlp_share_of_peak": profile["mlp_share_of_peak"],
        "fps_64": small,
        "model": config.model.name,
        "trained_weights": config.checkpoint is not None,
        "widened": setting.nets.is_widened,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "psnr": pictures,
        "training_step": training,
        "views": views,
        "memory_bytes": memory,
        "profile": profile,
        "sweeps": sweeps,
    }


def _pictures(setting: Setting) -> dict[str, float]:
    """Mean PSNR in dB by quality. The trained net computes what the timed one does, so the small one renders."""
    net = with_renderer_of(setting.nets.trained, setting.config.model)
    values: dict[str, list[float]] = {quality: [] for quality in QUALITIES}
    for scene in setting.scenes[: setting.config.scenes]:
        view = scene.num_views // 2
        cameras = scene.cameras()[view : view + 1].to(setting.bench.device)
        photos = photos_of([scene], 1, setting.bench.device)
        for quality in QUALITIES:
            (render,) = render_views(net, photos, scene, cameras, quality)
            values[quality].append(psnr(render.color.cpu(), scene.images([view])[0].movedim(0, -1)))
    return {quality: sum(found) / len(found) for quality, found in values.items()}


def _training(setting: Setting) -> Results:
    config, nets, bench = setting.config, setting.nets, setting.bench
    scenes = setting.scenes[: config.objects]
    photos = photos_of(scenes, 1, bench.device)
    rays = some_rays(scenes, 1, config.rays, bench.device)
    ours = TrainingStep(nets.timed, nets.timed, photos, rays, config.train_coarse)
    theirs = TrainingStep(nets.original.net, nets.original, photos, rays)
    times = bench.interleaved({"ours": ours, "theirs": theirs}, config.repeats)
    seconds, original = median(times["ours"]), median(times["theirs"])
    return {
        "rays": config.objects * config.rays,
        "seconds": seconds,
        "original_seconds": original,
        "rays_per_second": config.objects * config.rays / seconds,
        "samples_per_second": config.objects * config.rays * _samples(nets.timed) / seconds,
        "flops": flops(ours),
        "original_flops": flops(theirs),
        "peak_bytes": bench.peak_memory(ours),
        "original_peak_bytes": bench.peak_memory(theirs),
    }


def _memory(setting: Setting) -> dict[int, int]:
    """Peak bytes of a view in `fast` by its side, small ones first: a process on the CPU hardly gives memory back."""
    net, scene = setting.nets.timed, setting.scenes[0]
    photos = photos_of([scene], 1, setting.bench.device)
    camera = setting.cameras(scene)[:1]
    return {
        side: setting.bench.peak_memory(
            lambda side=side: render_views(net, photos, scene, image_size(camera, side), "fast")
        )
        for side in sorted(setting.config.pixels)
    }


def _views(setting: Setting) -> Results:
    config, nets, bench = setting.config, setting.nets, setting.bench
    scenes = setting.scenes[: config.scenes]
    pixels = int(setting.cameras(scenes[0]).sizes[0].prod())
    count = min(config.original_rays, pixels)
    rays = some_rays(scenes[:1], 1, count, bench.device)
    photos = [photos_of([scene], 1, bench.device) for scene in scenes]

    def ours(frames: int) -> Work:
        def work() -> None:
            for scene, photo in zip(scenes, photos, strict=True):
                cameras = setting.cameras(scene)[:frames]
                render_views(nets.timed, photo, scene, cameras, "fast")

        return work

    times = bench.interleaved(
        {
            "original": lambda: original_rays(nets.original, photos[0], rays),
            "view": ours(1),
            "turntable": ours(config.frames),
        },
        config.repeats,
    )
    # Encoding is a hundredth of the original's time, and is scaled along with its rays where these are few.
    original = median(times["original"]) * pixels / count
    view = median(times["view"]) / len(scenes)
    frame = median(times["turntable"]) / (len(scenes) * config.frames)
    return {
        "original_rays": count,
        "original_view_seconds": original,
        "view_seconds": view,
        "frame_seconds": frame,
        "rays_per_second": pixels / frame,
        "original_rays_per_second": pixels / original,
        "frames": config.frames,
        "view_flops": flops(ours(1)) / len(scenes),
        "original_view_flops": flops(lambda: original_rays(nets.original, photos[0], rays)) * pixels / count,
    }


@torch.inference_mode()
def _profile(setting: Setting) -> Results:
    """Of one view, with the peak taken before and after each time: a busy machine slows both."""
    config, nets, bench = setting.config, setting.nets, setting.bench
    scene = setting.scenes[0]
    cameras = setting.cameras(scene)
    photos = photos_of([scene], 1, bench.device)
    features = nets.timed.encode(photos)
    view = scene.view_of(cameras[0])
    grid = shared_grid(nets.timed, features, [view], "fast")

    def frame() -> object:
        return render_image(nets.timed, features, view, quality="fast", grid=grid)

    product, product_flops = bench.matrix_product()
    # All products of a frame are the field's: the look-up is a weighted sum of rows, the rest is elementwise.
    mlp_flops, shares, peaks = flops(frame), [], []
    parts: dict[str, float] = {}
    for _ in range(config.repeats):
        before = bench.interleaved({"product": product}, 10)["product"]
        parts = bench.breakdown(frame)
        peak = product_flops / median(before + bench.interleaved({"product": product}, 10)["product"])
        shares.append(mlp_flops / parts["mlp"] / peak)
        peaks.append(peak)
    rays = some_rays([scene], 1, config.original_rays, bench.device)
    return {
        "mlp_share_of_peak": median(shares),
        "peak_flops_per_second": median(peaks),
        "frame_flops": mlp_flops,
        "frame_seconds_by_part": parts,
        "view_seconds_by_part": bench.breakdown(lambda: render_views(nets.timed, photos, scene, cameras[:1], "fast")),
        "original_seconds_by_part": bench.breakdown(lambda: original_rays(nets.original, photos, rays)),
    }


def _frames_per_second(setting: Setting) -> float:
    """Of the trained net at its own size, 64 pixels across, in `fast`; encoding and grid are shared by the frames."""
    scene, bench = setting.scenes[0], setting.bench
    cameras = image_size(setting.cameras(scene), 64)
    photos = photos_of([scene], 1, bench.device)
    times = bench.interleaved(
        {"turntable": lambda: render_views(setting.nets.trained, photos, scene, cameras, "fast")},
        setting.config.repeats,
    )
    return setting.config.frames / median(times["turntable"])


def _sweeps(setting: Setting) -> Results:
    """Seconds of one view by the trained net at its own size."""
    config, bench, net = setting.config, setting.bench, setting.nets.trained
    scene = setting.scenes[0]
    camera = setting.cameras(scene)[:1]

    def measure(renderer: Net, views: int, cameras: Cameras, quality: Quality) -> float:
        photos = photos_of([scene], views, bench.device)

        return bench.seconds(lambda: render_views(renderer, photos, scene, cameras, quality))

    views = [count for count in config.views if count < scene.num_views]
    return {
        quality: {
            "pixels": {side: measure(net, 1, image_size(camera, side), quality) for side in sorted(config.pixels)},
            "views": {count: measure(net, count, camera, quality) for count in views},
            "samples": {
                count: measure(with_coarse_samples(net, count), 1, camera, quality) for count in config.samples
            },
        }
        for quality in ("fast", "exact")
    }


def _samples(net: Net) -> int:
    """Evaluated for a ray in training, in both passes."""
    renderer = net.config.renderer
    second = 0 if renderer.placement is None else samples_per_ray(0, renderer.placement)
    return renderer.coarse_samples + second
