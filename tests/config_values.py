"""Values of `conf/` for tests, composed as the programs do, with what a test changes."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

from datasets.readers.nmr import NmrConfig
from datasets.shapes13 import Shapes13Config
from pixelnerf.entry import composed_values
from pixelnerf.scenes.batch_config import BatchConfig
from pixelnerf.scenes.data_module import LoaderConfig

REPOSITORY = Path(__file__).resolve().parents[1]

_composed = cache(composed_values)


def yaml_values(option: str, **changes: Any) -> dict[str, Any]:
    """The values of an option such as "dataset/nmr" or "trainer/default"; only keys that it has can be changed."""
    group, _, _ = option.partition("/")
    return changed(copy.deepcopy(_composed(REPOSITORY / "conf", option)[group]), changes)


def changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    assert changes.keys() <= values.keys(), f"not in the YAML: {changes.keys() - values.keys()}"
    return {**values, **changes}


def nmr_config(root: Path, **changes: Any) -> NmrConfig:
    """Of what `ball_scene.write_nmr` wrote."""
    values = {"root": root, "categories": ["airplane", "chair"], **changes}
    return NmrConfig.model_validate(yaml_values("dataset/nmr", **values))


def shapes13_config(root: Path, **changes: Any) -> Shapes13Config:
    values = yaml_values("dataset/shapes13")["generator"]
    return Shapes13Config.model_validate(changed(values, {"root": root, "hybrids": 0, **changes}))


def batch_config(**changes: Any) -> BatchConfig:
    """Small batches without a box, from one photo."""
    values = yaml_values("trainer/default")["loader"]["batch"]
    return BatchConfig.model_validate(changed(values, {"objects": 2, "rays": 16, "box_until_step": 0, **changes}))


def loader_config(batch: BatchConfig, **changes: Any) -> LoaderConfig:
    return LoaderConfig.model_validate(changed(yaml_values("trainer/default")["loader"], {"batch": batch, **changes}))
