"""A protocol resolved against a dataset: an explicit list, written beside the results.

Two evaluations of equal data are comparable if their lists have the same digest.
"""

import hashlib
import json
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from jaxtyping import Int
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.evaluation.protocol import GroupConfig, GroupName, ProtocolConfig
from pixelnerf.images.metrics import SMALLEST_SIDE
from pixelnerf.scenes.scene import Scene, SceneDataset
from pixelnerf.scenes.skipping import DamagedScenes
from pixelnerf.tools.spacing import spread


@dataclass(frozen=True)
class Item:
    """One scene of a protocol: its views by the number of inputs; targets are of one size, shrunk by `downscale`.

    A scene with targets of several sizes is one item for each size, "400x300" after shrinking.
    """

    group: GroupName
    scene: Scene
    inputs: dict[int, tuple[int, ...]]
    targets: dict[int, tuple[int, ...]]
    downscale: int
    size: str

    def to_plain(self) -> dict[str, Any]:
        """For JSON, with what decides the pictures: bounds and background belong to a protocol."""
        return {
            "group": self.group,
            "scene": self.scene.name,
            "category": self.scene.category,
            "near": self.scene.near,
            "far": self.scene.far,
            "background": self.scene.background,
            "inputs": self.inputs,
            "targets": self.targets,
            "downscale": self.downscale,
            "size": self.size,
        }


@dataclass(frozen=True)
class ResolvedProtocol:
    """A protocol resolved against a dataset."""

    protocol: ProtocolConfig
    items: tuple[Item, ...]

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "protocol": self.protocol.name,
            "input_downscale": self.protocol.input_downscale,
            "eight_bits": self.protocol.eight_bits,
            "ssim": self.protocol.ssim,
            "items": [item.to_plain() for item in self.items],
        }

    def digest(self) -> str:
        """SHA-256 of the list, as hexadecimal."""
        return hashlib.sha256(json.dumps(self.to_plain(), sort_keys=True).encode()).hexdigest()


def resolve(protocol: ProtocolConfig, dataset: SceneDataset, damaged: DamagedScenes) -> ResolvedProtocol:
    """Fixes scenes, inputs and targets. Scenes that cannot be opened are left out and counted if `damaged` says so.

    Raises:
        UserError: the dataset lacks a category, a view or a published input view that the protocol needs.
    """
    items = []
    for name, group in protocol.groups.items():
        scenes = _group_scenes(group, dataset, damaged)
        if not scenes:
            raise UserError(f"no scene for protocol.groups.{name}: its splits {', '.join(group.splits)} are empty")
        items += [item for scene in scenes for item in _items(protocol, name, scene)]
    return ResolvedProtocol(protocol, tuple(items))


def _group_scenes(group: GroupConfig, dataset: SceneDataset, damaged: DamagedScenes) -> list[Scene]:
    found = []
    for split in group.splits:
        scenes = dataset.scenes(split, group.categories)
        for index in range(len(scenes)):
            with damaged.guard(scenes, index):
                found.append(scenes[index])
    # A scene that two split lists name is evaluated once.
    scenes = sorted({scene.name: scene for scene in found}.values(), key=lambda scene: (scene.category, scene.name))
    chosen = []
    for _, members in groupby(scenes, key=lambda scene: scene.category):
        category_scenes = list(members)
        limit = group.objects_per_category or len(category_scenes)
        chosen += [category_scenes[index] for index in spread(len(category_scenes), limit)]
    return chosen


def _items(protocol: ProtocolConfig, group: GroupName, scene: Scene) -> list[Item]:
    inputs = protocol.inputs.of(scene)
    for view in sorted({view for views in inputs.values() for view in views}):
        if not 0 <= view < scene.num_views:
            raise UserError(
                f"scene '{scene.name}' has {scene.num_views} views, but protocol '{protocol.name}' needs view {view}"
            )
    targets = protocol.targets.of(scene, inputs)
    sizes = scene.cameras().sizes
    _check_sizes(protocol, scene, sizes)
    items = []
    for downscale in sorted(protocol.downscales):
        for width, height in sorted({tuple(size) for size in sizes.tolist()}, reverse=True):
            fitting = {
                count: tuple(view for view in views if sizes[view].tolist() == [width, height])
                for count, views in targets.items()
            }
            if all(fitting.values()):
                size = f"{width // downscale}x{height // downscale}"
                items.append(Item(group, scene, inputs, fitting, downscale, size))
    return items


def _check_sizes(protocol: ProtocolConfig, scene: Scene, sizes: Int[Tensor, "view 2"]) -> None:
    smallest = SMALLEST_SIDE[protocol.ssim]
    needed = [("downscales", downscale, smallest) for downscale in protocol.downscales]
    for key, downscale, side in (*needed, ("input_downscale", protocol.input_downscale, 1)):
        if bool((sizes % downscale != 0).any()) or int(sizes.min()) < side * downscale:
            raise UserError(
                f"protocol.{key}={downscale} does not divide the images of scene '{scene.name}' "
                f"into at least {side}x{side} whole pixels"
            )
