"""From a dataset's configuration to its reader."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasets.readers.blender import BlenderConfig, BlenderDataset
from datasets.readers.colmap import ColmapConfig, ColmapDataset
from datasets.readers.dtu import DtuConfig, DtuDataset
from datasets.readers.llff import LlffConfig, LlffDataset
from datasets.readers.multiscale_blender import MultiscaleBlenderConfig, MultiscaleBlenderDataset
from datasets.readers.nmr import NmrConfig, NmrDataset, NmrLayoutConfig
from datasets.readers.srn import SrnConfig, SrnDataset
from datasets.readers.transforms import TransformsConfig, TransformsDataset
from datasets.readers.two_objects import TwoObjectsConfig, TwoObjectsDataset
from datasets.shapes13 import Shapes13Config, generate, is_complete
from pixelnerf.config import Config
from pixelnerf.scenes.mixture import MixedDataset
from pixelnerf.scenes.scene import OnError, SceneDataset


class GeneratedShapesConfig(NmrLayoutConfig):
    """The built-in data in the NMR layout; `generator` makes what is missing of them."""

    name: Literal["shapes13"]
    generator: Shapes13Config


FolderDatasetConfig = Annotated[
    NmrConfig
    | GeneratedShapesConfig
    | SrnConfig
    | TwoObjectsConfig
    | DtuConfig
    | BlenderConfig
    | MultiscaleBlenderConfig
    | LlffConfig
    | TransformsConfig
    | ColmapConfig,
    Field(discriminator="name"),
]


class MixtureConfig(Config):
    """Several datasets at once.

    Attributes:
        parts: the datasets, by any names.
        weights: how often each is drawn, relative to the others.
        on_error: what a damaged scene of any of them does to training.
    """

    name: Literal["mixture"]
    parts: dict[str, FolderDatasetConfig] = Field(min_length=1)
    weights: dict[str, Annotated[float, Field(gt=0)]]
    on_error: OnError = "raise"

    @model_validator(mode="after")
    def _every_part_has_a_weight(self) -> "MixtureConfig":
        if self.parts.keys() != self.weights.keys():
            raise ValueError(f"weights are for {sorted(self.weights)}, parts are {sorted(self.parts)}")
        return self


DatasetConfig = Annotated[FolderDatasetConfig | MixtureConfig, Field(discriminator="name")]


def build_dataset(config: DatasetConfig) -> SceneDataset:
    """The reader of the dataset that a configuration names; built-in data are generated if they are not there.

    Raises:
        UserError: the dataset's folder is not there, or cannot be written where it is generated.
    """
    match config:
        case GeneratedShapesConfig():
            if not is_complete(config.root, config.generator):
                generate(config.generator)
            return NmrDataset(config)
        case NmrConfig():
            return NmrDataset(config)
        case SrnConfig():
            return SrnDataset(config)
        case TwoObjectsConfig():
            return TwoObjectsDataset(config)
        case DtuConfig():
            return DtuDataset(config)
        case BlenderConfig():
            return BlenderDataset(config)
        case MultiscaleBlenderConfig():
            return MultiscaleBlenderDataset(config)
        case LlffConfig():
            return LlffDataset(config)
        case TransformsConfig():
            return TransformsDataset(config)
        case ColmapConfig():
            return ColmapDataset(config)
        case MixtureConfig():
            parts = {name: build_dataset(part) for name, part in config.parts.items()}
            return MixedDataset(parts, config.weights, config.on_error)
