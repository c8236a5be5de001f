"""A protocol: which scenes, which input views, which targets, how they are measured; and its list for a dataset."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import SMALLEST_SIDE, SsimWindow
from pixelnerf.scenes.scene import DamagedScenes, Scene, SceneDataset, Split
from pixelnerf.tools.files import plain_digest
from pixelnerf.tools.spacing import spread

GroupName = Literal["seen", "unseen", "all"]
Views = dict[int, tuple[int, ...]]
"""Views by the number of inputs."""


def _checked(views: Views) -> Views:
    for count, chosen in views.items():
        if count < 1 or len(chosen) != count or len(set(chosen)) != count:
            raise ValueError(f"{count} input views are listed as {list(chosen)}")
    return views


ViewLists = Annotated[Views, Field(min_length=1), AfterValidator(_checked)]


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


class NoInputs(Config):
    """No input views: for a model that is fitted to one scene and knows it by its weights."""

    name: Literal["none"]


class ListedInputs(Config):
    """The first input view is the one that the dataset's published list names for the scene.

    `offsets` maps the number of views to their distances from that one, around the circle of the scene's views.
    """

    name: Literal["view_list"]
    offsets: ViewLists


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


class ProtocolConfig(Config):
    """A named way to evaluate.

    Attributes:
        name: what results are reported under.
        groups: the scenes, by the name of the group in the results.
        input_downscale: photos are given shrunk by this whole number (means over squares of pixels).
        downscales: truths are shrunk by each of these whole numbers and rendered at that size; scores are means over
            the sizes, and stand by size, too.
        eight_bits: renders are cut off to 8 bits before they are measured, as if saved.
        ssim: the window of SSIM, "uniform" over 7x7 pixels or a "gaussian" of 11x11.
    """

    name: str
    groups: dict[GroupName, GroupConfig] = Field(min_length=1)
    inputs: Annotated[FixedInputs | ListedInputs | NoInputs, Field(discriminator="name")]
    targets: TargetConfig
    input_downscale: int = Field(ge=1)
    downscales: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    eight_bits: bool
    ssim: SsimWindow


@dataclass(frozen=True)
class Item:
    """One scene of a protocol: its views by the number of inputs; targets are of one size, shrunk by `downscale`.

    A scene with targets of several sizes is one item for each size, "400x300" after shrinking.
    """

    group: GroupName
    scene: Scene
    inputs: Views
    targets: Views
    downscale: int
    size: str

    def to_plain(self) -> dict[str, Any]:
        """For JSON, with what decides the pictures: bounds and background belong to a protocol."""
        own = {key: getattr(self, key) for key in ("group", "inputs", "targets", "downscale", "size")}
        of_scene = {key: getattr(self.scene, key) for key in ("category", "near", "far", "background")}
        return {"scene": self.scene.name, **of_scene, **own}


@dataclass(frozen=True)
class ResolvedProtocol:
    """A protocol resolved against a dataset: an explicit list, written beside the results.

    Two evaluations of equal data are comparable if their lists have the same digest.
    """

    protocol: ProtocolConfig
    items: tuple[Item, ...]

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        measured = self.protocol.model_dump(include={"input_downscale", "eight_bits", "ssim"})
        return {"protocol": self.protocol.name, **measured, "items": [item.to_plain() for item in self.items]}

    def digest(self) -> str:
        """SHA-256 of the list, as hexadecimal."""
        return plain_digest(self.to_plain())


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
    # By name, since a scene that two split lists name is evaluated once.
    found: dict[str, Scene] = {}
    for split in group.splits:
        scenes = dataset.scenes(split, group.categories)
        for index in range(len(scenes)):
            with damaged.guard(scenes, index):
                found[scenes[index].name] = scenes[index]
    categories: dict[str, list[Scene]] = {}
    for scene in sorted(found.values(), key=lambda scene: (scene.category, scene.name)):
        categories.setdefault(scene.category, []).append(scene)
    return [
        scenes[index]
        for scenes in categories.values()
        for index in spread(len(scenes), group.objects_per_category or len(scenes))
    ]


def _items(protocol: ProtocolConfig, group: GroupName, scene: Scene) -> Iterator[Item]:
    inputs = _inputs(protocol, scene)
    targets = {count: _targets(protocol.targets, scene, count, inputs) for count in inputs}
    sizes = [(width, height) for width, height in scene.cameras().sizes.tolist()]
    _check_sizes(protocol, scene, {side for size in sizes for side in size})
    for downscale in sorted(protocol.downscales):
        for size in sorted(set(sizes), reverse=True):
            fitting = {count: tuple(view for view in views if sizes[view] == size) for count, views in targets.items()}
            if all(fitting.values()):
                yield Item(group, scene, inputs, fitting, downscale, "x".join(str(side // downscale) for side in size))


def _inputs(protocol: ProtocolConfig, scene: Scene) -> Views:
    match protocol.inputs:
        case NoInputs():
            return {0: ()}
        case FixedInputs(views=chosen):
            pass
        case ListedInputs(offsets=offsets):
            if not (listed := scene.input_views()):
                raise UserError(
                    f"scene '{scene.name}' has no published input view, which this protocol needs; "
                    "set dataset.input_view_list=FILE to the list that names it"
                )
            first, total = listed[0], scene.num_views
            chosen = {count: tuple((first + step) % total for step in steps) for count, steps in offsets.items()}
    for view in sorted({view for views in chosen.values() for view in views}):
        if not 0 <= view < scene.num_views:
            raise UserError(
                f"scene '{scene.name}' has {scene.num_views} views, but protocol '{protocol.name}' needs view {view}"
            )
    return chosen


def _targets(config: TargetConfig, scene: Scene, count: int, inputs: Views) -> tuple[int, ...]:
    banned = {*config.exclude, *(view for views in inputs.values() for view in views if config.shared), *inputs[count]}
    rest = [view for view in range(0, scene.num_views, config.every) if view not in banned]
    if not rest:
        raise UserError(f"scene '{scene.name}' has {scene.num_views} views, so no target is left for {count}")
    return tuple(rest[index] for index in spread(len(rest), config.limit or len(rest)))


def _check_sizes(protocol: ProtocolConfig, scene: Scene, sides: set[int]) -> None:
    needed = [("downscales", downscale, SMALLEST_SIDE[protocol.ssim]) for downscale in protocol.downscales]
    for key, downscale, smallest in (*needed, ("input_downscale", protocol.input_downscale, 1)):
        if any(side % downscale or side < smallest * downscale for side in sides):
            raise UserError(
                f"protocol.{key}={downscale} does not divide the images of scene '{scene.name}' "
                f"into at least {smallest}x{smallest} whole pixels"
            )
