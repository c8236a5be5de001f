"""Nets whose pictures are known in closed form, and evaluations of them on painted data."""

from pathlib import Path
from typing import Any

import torch
from config_values import yaml_values
from datasets_and_runs import parse_whole
from rich.console import Console
from torch import nn

from datasets.readers.nmr import NmrConfig, NmrDataset
from datasets.registry import build_dataset
from pixelnerf.checkpoints.checkpoint import LoadedModel
from pixelnerf.config import parse_config
from pixelnerf.evaluation.config import EvaluationConfig
from pixelnerf.evaluation.evaluator import Evaluator, ModelMethod
from pixelnerf.evaluation.protocol import ProtocolConfig
from pixelnerf.evaluation.results import Row
from pixelnerf.evaluation.run import EvaluationResult, evaluate
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.model.net import Net
from pixelnerf.scenes.rendering import RenderOptions
from pixelnerf.scenes.scene import Scene
from pixelnerf.types import RenderOutput, SceneFeatures


class FakeNet(Net):
    """Renders `colors(rays)`, half opaque, at distance 2, whatever the photos."""

    reads_photos = True

    def __init__(self, colors: Any) -> None:
        nn.Module.__init__(self)
        self.colors = colors
        self.encoded = []

    def encode(self, photos):
        self.encoded.append(photos.images.shape[1])
        batch, views = photos.present.shape
        return SceneFeatures(
            (torch.zeros(1, 1),),
            torch.zeros(batch, views, 1, dtype=torch.long),
            torch.ones(batch, views, 1, 2, dtype=torch.long),
            photos.cameras,
            photos.near,
            photos.far,
            photos.present,
        )

    def query(self, features, field, gaussians):
        raise NotImplementedError("rays are rendered without samples")

    def render(self, features, rays, background, generator=None):
        flat = torch.full(rays.near.shape, 0.5)
        weights, edges = flat[..., None], torch.stack([rays.near, rays.far], -1)
        return RenderOutput(self.colors(rays), flat, 4 * flat, 4 * flat, weights, edges)


def constant_net(value: float) -> FakeNet:
    """The same grey everywhere."""
    return FakeNet(lambda rays: torch.full((*rays.near.shape, 3), value))


def oracle_net(scene: Scene) -> FakeNet:
    """Shows each of a scene's photos exactly, when asked for that photo's pixels."""
    cameras = scene.cameras()
    images = scene.images(range(scene.num_views))

    def colors(rays):
        origin = rays.origins[0, 0]
        view = int((cameras.poses[:, :3, 3] - origin).norm(dim=-1).argmin())
        points = world_to_camera(cameras.poses[view][None], rays.origins + rays.directions)
        columns, rows = (project(cameras.intrinsics[view][None], points) - 0.5).round().long().unbind(-1)
        return images[view][:, rows, columns].movedim(0, -1)

    return FakeNet(colors)


def dataset_values(root: Path) -> dict[str, Any]:
    return yaml_values(
        "dataset/nmr",
        root=str(root),
        categories=["airplane", "chair"],
        train_categories=["airplane"],
        input_view_list="src_views.txt",
    )


def open_dataset(root: Path) -> NmrDataset:
    return NmrDataset(parse_config(NmrConfig, dataset_values(root), "dataset"))


def protocol_values(**changes: Any) -> dict[str, Any]:
    """Airplanes seen, chairs unseen; the listed view, and for two photos the next but one, too."""
    return {
        "name": "tiny",
        "groups": {
            "seen": {"splits": ["test"], "categories": ["airplane"], "objects_per_category": None},
            "unseen": {"splits": ["test"], "categories": ["chair"], "objects_per_category": None},
        },
        "inputs": {"name": "view_list", "offsets": {1: [0], 2: [0, 2]}},
        "targets": {"exclude": [], "every": 1, "limit": None, "shared": True},
        "input_downscale": 1,
        "downscales": [1],
        "eight_bits": True,
        "ssim": "uniform",
        **changes,
    }


def protocol(**changes: Any) -> ProtocolConfig:
    return parse_config(ProtocolConfig, protocol_values(**changes), "protocol")


def evaluator(net: Net, **changes: Any) -> Evaluator:
    """Of a net under the protocol with these changes."""
    config = protocol(**changes)
    return Evaluator(ModelMethod(net, RenderOptions(torch.device("cpu"), 100), config.input_downscale), config)


def run_fake(
    net: Net, root: Path, output: Path, checkpoint: Path, on_error: str = "raise", **changes: Any
) -> EvaluationResult:
    """A whole evaluation of a net that `checkpoint` (any file) stands for."""
    return run_values(
        net,
        checkpoint=checkpoint,
        output=output,
        protocol=protocol_values(**changes),
        dataset={**dataset_values(root), "on_error": on_error},
    )


def run_values(net: Net | None, save_page: Any = None, **values: Any) -> EvaluationResult:
    """The same of an evaluation's configuration."""
    config = parse_whole(
        EvaluationConfig,
        {
            "checkpoint": None,
            "renders": None,
            "device": "cpu",
            "rays_per_chunk": 100,
            "quality": "exact",
            "precision": "float32",
            "refiners": [],
            "bicubic": None,
            "shard": None,
            "turntables": True,
            **values,
        },
    )
    model = None if net is None else LoadedModel(net, {"dataset": values["dataset"]}, 7)
    return evaluate(model, config, build_dataset(config.dataset), (), Console(quiet=True), save_page)


def row(result: EvaluationResult, group: str, views: int, method: str = "model") -> Row:
    """One of an evaluation's rows."""
    (found,) = (one for one in result.results.rows if (one.group, one.views, one.method) == (group, views, method))
    return found
