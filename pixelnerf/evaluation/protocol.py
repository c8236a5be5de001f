"""The configuration of a protocol: which scenes, which input views, which targets, how they are measured."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import SsimWindow
from pixelnerf.scenes.scene import Scene, Split
from pixelnerf.tools.spacing import spread

GroupName = Literal["seen", "unseen", "all"]


def _checked(views: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    for count, chosen in views.items():
        if count < 1 or len(chosen) != count or len(set(chosen)) != count:
            raise ValueError(f"{count} input views are listed as {list(chosen)}")
    return views


ViewLists = Annotated[dict[int, tuple[int, ...]], Field(min_length=1), AfterValidator(_checked)]


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

    def of(self, scene: Scene) -> dict[int, tuple[int, ...]]:
        """The input views by their number."""
        return dict(self.views)


class NoInputs(Config):
    """No input views: for a model that is fitted to one scene and knows it by its weights."""

    name: Literal["none"]

    def of(self, scene: Scene) -> dict[int, tuple[int, ...]]:
        """The input views by their number."""
        return {0: ()}


class ListedInputs(Config):
    """The first input view is the one that the dataset's published list names for the scene.

    `offsets` maps the number of views to their distances from that one, around the circle of the scene's views.
    """

    name: Literal["view_list"]
    offsets: ViewLists

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
