"""A user's own reader: one class in a file of theirs, trained by train.py without touching the package."""

import ast
import json

import pytest
import torch
from ball_scene import orbit, paint, pinhole, save
from datasets_and_runs import parse_whole, train
from training_runs import REPOSITORY, TINY, compose_values

from datasets.registry import build_dataset, parse_dataset
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene
from pixelnerf.training.experiment import ExperimentConfig
from pixelnerf.types import Cameras

READER = REPOSITORY / "docs/examples/turntable_reader.py"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("turntable")
    for split in ("train", "val"):
        frames = []
        for view, pose in enumerate(orbit(4)):
            save(root / f"{split}/balls/{view}.png", paint(pose, pinhole(26.0, 16, 16), 16, 16)[0])
            frames.append({"file": f"{view}.png", "pose": pose.tolist(), "focal": 26.0})
        (root / f"{split}/balls/cameras.json").write_text(json.dumps(frames))
    return root


def own(reader, **options):
    return {"name": "own", "reader": str(reader), "options": options}


def test_it_is_one_class_of_thirty_lines():
    (reader,) = [node for node in ast.parse(READER.read_text()).body if isinstance(node, ast.ClassDef)]
    assert reader.end_lineno - reader.lineno <= 30


def test_train_trains_on_it(root, tmp_path):
    # As on the command line.
    options = (f"dataset.reader={READER}:TurntableDataset", f"dataset.options={{root: {root}, near: 1.0, far: 4.5}}")
    values = compose_values("dataset=own", *options, f"run_dir={tmp_path}", *TINY)
    result = train(parse_whole(ExperimentConfig, values))
    assert result.step == 6
    assert result.best_psnr is not None
    assert (tmp_path / "checkpoints/last.ckpt").is_file()


@pytest.mark.parametrize(
    ("reader", "options", "message"),
    [
        ("nowhere.py:Mine", {}, "FILE.py:CLASS"),
        (READER, {}, "FILE.py:CLASS"),
        (f"{READER}:Turntable", {}, "did you mean 'TurntableDataset'"),
        (f"{READER}:TurntableDataset", {"rooot": "x"}, "dataset.options do not fit"),
    ],
)
def test_a_mistake_is_one_line(reader, options, message):
    with pytest.raises(UserError, match=message) as caught:
        build_dataset(parse_dataset(own(reader, **options)))
    assert "\n" not in str(caught.value)


class Checkerboard(Scene):
    """Only what a reader must give, and a mask."""

    name, category, near, far, background, num_views = "board", "", 1.0, 2.0, (1.0, 1.0, 1.0), 1

    def __init__(self, with_mask):
        self._with_mask = with_mask

    def cameras(self):
        return Cameras(torch.eye(4)[None], torch.eye(3)[None], torch.tensor([[8, 4]]))

    def images(self, views):
        return torch.arange(32.0).view(1, 1, 4, 8).expand(len(views), 3, 4, 8) / 32

    def masks(self, views):
        mask = torch.zeros(len(views), 4, 8, dtype=torch.bool)
        mask[:, 1:3, 2:7] = True
        return mask if self._with_mask else None


def test_a_scene_without_more_than_images_has_pixels_and_boxes():
    rays = [torch.tensor(values) for values in ([0, 0, 0], [1, 3, 7], [0, 1, 3], [2, 2, 1])]
    colors, coverage = Checkerboard(True).pixels(*rays)
    # Pixel (1, 0) of the half-sized photo is the mean of 2, 3, 10 and 11.
    torch.testing.assert_close(colors[:, 0] * 32, torch.tensor([6.5, 26.5, 31.0]))
    torch.testing.assert_close(coverage, torch.tensor([0.5, 0.25, 0.0]))
    assert Checkerboard(True).box(0) == (2, 1, 7, 3)
    assert Checkerboard(False).pixels(*rays)[1].isnan().all()
    assert Checkerboard(False).box(0) == (0, 0, 8, 4)
