"""From a dataset's configuration to its reader."""

from typing import Annotated

from pydantic import Field

from datasets.nmr import NmrConfig, NmrDataset
from datasets.scene import SceneDataset

DatasetConfig = Annotated[NmrConfig, Field(discriminator="name")]


def build_dataset(config: NmrConfig) -> SceneDataset:
    """The dataset that a configuration names.

    Raises:
        UserError: its folder is not there.
    """
    return NmrDataset(config)
