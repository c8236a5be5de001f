"""From a dataset's configuration to its reader."""

from typing import Annotated, Literal

from pydantic import Field

from datasets.nmr import NmrConfig, NmrDataset, NmrLayoutConfig
from datasets.scene import SceneDataset
from datasets.shapes13 import Shapes13Config, generate, is_complete


class GeneratedShapesConfig(NmrLayoutConfig):
    """The built-in data in the NMR layout; `generator` makes what is missing of them."""

    name: Literal["shapes13"]
    generator: Shapes13Config


DatasetConfig = Annotated[NmrConfig | GeneratedShapesConfig, Field(discriminator="name")]


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
