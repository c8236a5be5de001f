"""From a dataset's configuration to its reader."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, reduce
from operator import or_
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import override

from datasets.readers.blender import BlenderConfig, BlenderDataset, TwoObjectsConfig, TwoObjectsDataset
from datasets.readers.colmap import ColmapConfig, ColmapDataset
from datasets.readers.dtu import DtuConfig, DtuDataset
from datasets.readers.llff import LlffConfig, LlffDataset
from datasets.readers.multicam import MulticamConfig, MulticamDataset
from datasets.readers.nmr import NmrConfig, NmrDataset, NmrLayoutConfig
from datasets.readers.own import OwnConfig, open_own
from datasets.readers.srn import SrnConfig, SrnDataset
from datasets.readers.transforms import TransformsConfig, TransformsDataset
from datasets.shapes13 import Shapes13Config, generate, input_views, split_objects
from pixelnerf.config import Config, parse_config
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import MixedDataset, OnError, Scene, SceneDataset, Split


class GeneratedShapesConfig(NmrLayoutConfig):
    """The built-in data in the NMR layout; `generator` makes what is missing of them."""

    name: Literal["shapes13"]
    generator: Shapes13Config


class GeneratedShapes(SceneDataset):
    """The built-in data, generated when their scenes are first asked for."""

    def __init__(self, config: GeneratedShapesConfig) -> None:
        self.on_error = config.on_error
        self._config = config

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        return self._reader.scenes(split, categories)

    @cached_property
    def _reader(self) -> NmrDataset:
        generate(self._config.generator)
        return _GeneratedReader(self._config)


class _GeneratedReader(NmrDataset):
    """Reads the objects that its own configuration asks for.

    The lists in the folder are those of the last run that added objects, which may be another one's, even now.
    """

    def __init__(self, config: GeneratedShapesConfig) -> None:
        super().__init__(config)
        self._generator = config.generator

    @override
    def _objects(self, category: str, split: Split) -> Sequence[str]:
        splits = split_objects(category, self._generator, self._config.list_prefix)
        if split not in splits:
            raise UserError(f"'{category}' has no {split} objects with dataset.list_prefix={self._config.list_prefix}")
        return self._present(splits[split], self._root / self._config.synsets[category], "dataset.generator")

    @cached_property
    @override
    def input_views(self) -> Mapping[str, tuple[int, ...]]:
        return {f"{synset}/{name}": (view,) for (synset, name), view in input_views(self._generator).items()}


READERS: dict[type[Config], Callable[[Any], SceneDataset]] = {
    NmrConfig: NmrDataset,
    GeneratedShapesConfig: GeneratedShapes,
    SrnConfig: SrnDataset,
    TwoObjectsConfig: TwoObjectsDataset,
    DtuConfig: DtuDataset,
    BlenderConfig: BlenderDataset,
    MulticamConfig: MulticamDataset,
    LlffConfig: LlffDataset,
    TransformsConfig: TransformsDataset,
    ColmapConfig: ColmapDataset,
    OwnConfig: open_own,
}

# A union of the keys, so that a reader is named once.
_OneOf: TypeAlias = reduce(or_, READERS)  # pyright: ignore[reportInvalidTypeForm]
ReaderConfig = Annotated[_OneOf, Field(discriminator="name")]


class MixtureConfig(Config):
    """Several datasets at once.

    Attributes:
        parts: the datasets, by any names.
        weights: how often each is drawn, relative to the others.
        on_error: what a damaged scene of any of them does to training.
    """

    name: Literal["mixture"]
    parts: dict[str, ReaderConfig] = Field(min_length=1)
    weights: dict[str, Annotated[float, Field(gt=0)]]
    on_error: OnError

    @model_validator(mode="after")
    def _every_part_has_a_weight(self) -> "MixtureConfig":
        if self.parts.keys() != self.weights.keys():
            raise ValueError(f"weights are for {sorted(self.weights)}, parts are {sorted(self.parts)}")
        return self

    @model_validator(mode="after")
    def _densities_have_one_unit(self) -> "MixtureConfig":
        """It is half of the bounds' range, which photos do not show where their frames have a depth of their own."""
        framed = {name: part for name, part in self.parts.items() if hasattr(part, "half_depth")}
        bounds = {name: (part.near, part.far, part.half_depth) for name, part in framed.items()}
        if len(set(bounds.values())) > 1 and any(half_depth is not None for _, _, half_depth in bounds.values()):
            raise ValueError(f"with half_depth, parts need the same near, far and half_depth, but have {bounds}")
        return self


DatasetConfig = Annotated[ReaderConfig | MixtureConfig, Field(discriminator="name")]


class _Section(Config):
    dataset: DatasetConfig


def parse_dataset(values: Mapping[str, Any]) -> DatasetConfig:
    """The `dataset` section of a composed configuration, validated; a UserError names the first offending key."""
    return parse_config(_Section, {"dataset": values}, "").dataset


def build_dataset(config: DatasetConfig) -> SceneDataset:
    """The reader of the dataset that a configuration names; a UserError if its folder is not there."""
    if isinstance(config, MixtureConfig):
        parts = {name: build_dataset(part) for name, part in config.parts.items()}
        return MixedDataset(parts, config.weights, config.on_error)
    return READERS[type(config)](config)
