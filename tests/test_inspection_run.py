"""A dataset is inspected, and its figures written."""

import pytest
from config_values import nmr_config
from inspected_scenes import write_balls
from PIL import Image

from datasets.inspection.run import InspectionConfig, inspect
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_balls(tmp_path_factory.mktemp("nmr"))


def test_inspection_writes_a_figure_for_each_scene(root, tmp_path):
    dataset = nmr_config(root, categories=["airplane"]).model_dump()
    config = {"dataset": dataset, "split": "train", "scenes": 3, "pairs": 2, "output": tmp_path / "out", "fix": False}
    rows, reports = inspect(parse_config(InspectionConfig, config, ""))
    assert ("val", "1 scenes") in rows
    (report,) = reports
    assert dict(report.rows)["sizes"] == "64x64 (24)"
    assert report.warnings == []
    with Image.open(report.figure) as picture:
        assert picture.width > 1000
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["02691156_train0.png"]


def test_unwritable_output(root, tmp_path):
    (tmp_path / "file").write_text("")
    dataset = nmr_config(root, categories=["airplane"]).model_dump()
    config = {
        "dataset": dataset,
        "split": "train",
        "scenes": 1,
        "pairs": 1,
        "output": tmp_path / "file/out",
        "fix": False,
    }
    _, reports = inspect(parse_config(InspectionConfig, config, ""))
    with pytest.raises(UserError, match="another output"):
        next(reports)
