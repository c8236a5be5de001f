"""Frozen protocols: which scenes, which input views, which targets.

A protocol is a configuration; resolved against a dataset it becomes a manifest, an explicit list that is written beside
the results. Two evaluations are comparable if their manifests have the same hash.
"""

import hashlib
import json
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from datasets.module import spread
from datasets.scene import Scene, SceneDataset, Split
from pixelnerf.config import Config
from pixelnerf.errors import UserError

GroupName = Literal["seen", "unseen", "all"]
ViewLists = Annotated[dict[int, tuple[int, ...]], Field(min_length=1)]

SMALLEST_SIDE = 7
"""Pixels: the window of SSIM."""


class GroupConfig(Config):
    """Scenes that are averaged together.

    Attributes:
        splits: the splits they come from; more than one where a whole category was kept from training.
        categories: names of their categories, None for all that the dataset has.
        objects_per_category: at most so many of each category, evenly spread over its list; None for all.
    """

    splits: tuple[Split, ...] = Field(min_length=1)
    categories: tuple[str, ...] | None
    objects_per_category: int | None = Field(ge=1)


class FixedInputs(Config):
    """The same input views for every scene; `views` maps their number to their indices."""

    name: Literal["fixed"]
    views: ViewLists

    @field_validator("views")
    @classmethod
    def _counts_are_true(cls, views: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
        return _checked(views)

    def of(self, scene: Scene) -> dict[int, tuple[int, ...]]:
        """The input views by their number."""
        return dict(self.views)


class ListedInputs(Config):
    """The first input view is the one that the dataset's published list names for the scene.

    `offsets` maps the number of views to their distances from that one, around the circle of the scene's views.
    """

    name: Literal["view_list"]
    offsets: ViewLists

    @field_validator("offsets")
    @classmethod
    def _counts_are_true(cls, offsets: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
        return _checked(offsets)

    def of(self, scene: Scene) -> dict[int, tuple[int, ...]]:
        """The input views by their number."""
        listed = scene.input_views()
        if not listed:
            raise UserError(
                f"scene '{scene.name}' has no published input view, which this protocol needs; "
                "set dataset.input_view_list=FILE to the list that names it"
            )
        return {
            count: tuple((listed[0] + offset) % scene.num_views for offset in offsets)
            for count, offsets in self.offsets.items()
        }


class TargetConfig(Config):
    """The views to render: all that are not inputs, less those that the protocol leaves out.

    Attributes:
        exclude: views that are never targets.
        every: only views 0, every, 2 every and so on.
        limit: at most so many of a scene, evenly spread; None for all.
        shared: leave out the inputs of every number of views, so that each number is asked for the same targets.
    """

    exclude: tuple[int, ...]
    every: int = Field(ge=1)
    limit: int | None = Field(ge=1)
    shared: bool

    def of(self, scene: Scene, inputs: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
        """The target views by the number of inputs."""
        all_inputs = {view for views in inputs.values() for view in views}
        result = {}
        for count, views in inputs.items():
            banned = {*self.exclude, *(all_inputs if self.shared else views)}
            rest = [view for view in range(0, scene.num_views, self.every) if view not in banned]
            if not rest:
                raise UserError(f"scene '{scene.name}' has {scene.num_views} views, so no target is left for {count}")
            result[count] = tuple(rest[index] for index in spread(len(rest), self.limit or len(rest)))
        return result


class ProtocolConfig(Config):
    """A named way to evaluate.

    Attributes:
        name: what results are reported under; published numbers of this name are printed beside them.
        groups: the scenes, by the name of the group in the results.
        downscale: truths are shrunk by this whole number (means over squares of pixels) and rendered at that size.
    """

    name: str
    groups: dict[GroupName, GroupConfig] = Field(min_length=1)
    inputs: Annotated[FixedInputs | ListedInputs, Field(discriminator="name")]
    targets: TargetConfig
    downscale: int = Field(ge=1)


@dataclass(frozen=True)
class Item:
    """One scene of a manifest: its views by the number of inputs."""

    group: GroupName
    scene: Scene
    inputs: dict[int, tuple[int, ...]]
    targets: dict[int, tuple[int, ...]]

    def to_plain(self) -> dict[str, Any]:
        """As JSON values, with what decides the pictures: bounds and background belong to a protocol."""
        return {
            "group": self.group,
            "scene": self.scene.name,
            "category": self.scene.category,
            "near": self.scene.near,
            "far": self.scene.far,
            "background": list(self.scene.background),
            "inputs": {str(count): list(views) for count, views in self.inputs.items()},
            "targets": {str(count): list(views) for count, views in self.targets.items()},
        }


@dataclass(frozen=True)
class Manifest:
    """A protocol resolved against a dataset."""

    protocol: ProtocolConfig
    items: tuple[Item, ...]

    @property
    def view_counts(self) -> tuple[int, ...]:
        """The numbers of input views, ascending."""
        return tuple(sorted(self.items[0].inputs))

    def to_plain(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "protocol": self.protocol.name,
            "downscale": self.protocol.downscale,
            "items": [item.to_plain() for item in self.items],
        }

    def digest(self) -> str:
        """SHA-256 of the manifest, as hexadecimal."""
        return hashlib.sha256(json.dumps(self.to_plain(), sort_keys=True).encode()).hexdigest()


def resolve(protocol: ProtocolConfig, dataset: SceneDataset) -> Manifest:
    """Fixes scenes, inputs and targets.

    Raises:
        UserError: the dataset lacks a category, a view or a published input view that the protocol needs.
    """
    items = []
    for name, group in protocol.groups.items():
        scenes = _group_scenes(group, dataset)
        if not scenes:
            raise UserError(f"no scene for protocol.groups.{name}: its splits {', '.join(group.splits)} are empty")
        items += [_item(protocol, name, scene) for scene in scenes]
    return Manifest(protocol, tuple(items))


def _group_scenes(group: GroupConfig, dataset: SceneDataset) -> list[Scene]:
    found = [scene for split in group.splits for scene in dataset.scenes(split, group.categories)]
    # A scene that two split lists name is evaluated once.
    scenes = sorted({scene.name: scene for scene in found}.values(), key=lambda scene: (scene.category, scene.name))
    chosen = []
    for _, members in groupby(scenes, key=lambda scene: scene.category):
        category_scenes = list(members)
        limit = group.objects_per_category or len(category_scenes)
        chosen += [category_scenes[index] for index in spread(len(category_scenes), limit)]
    return chosen


def _item(protocol: ProtocolConfig, group: GroupName, scene: Scene) -> Item:
    inputs = protocol.inputs.of(scene)
    for view in sorted({view for views in inputs.values() for view in views}):
        if not 0 <= view < scene.num_views:
            raise UserError(
                f"scene '{scene.name}' has {scene.num_views} views, but protocol '{protocol.name}' needs view {view}"
            )
    targets = protocol.targets.of(scene, inputs)
    sizes = scene.cameras().sizes
    if bool((sizes % protocol.downscale != 0).any()) or int(sizes.min()) < SMALLEST_SIDE * protocol.downscale:
        raise UserError(
            f"protocol.downscale={protocol.downscale} does not divide the images of scene '{scene.name}' "
            f"into whole pixels, at least {SMALLEST_SIDE} wide and high"
        )
    return Item(group, scene, inputs, targets)


def _checked(views: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    for count, chosen in views.items():
        if count < 1 or len(chosen) != count or len(set(chosen)) != count:
            raise ValueError(f"{count} input views are listed as {list(chosen)}")
    return views
