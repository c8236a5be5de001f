"""A run that cannot go on ends in one line."""

import pytest
from ball_scene import write_nmr
from datasets_and_runs import train
from training_runs import tiny_config

from pixelnerf.errors import UserError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_nmr(tmp_path_factory.mktemp("data"), views=5, size=32)


def test_a_loss_that_is_not_a_number_stops_with_step_objects_and_checkpoint(tmp_path, data):
    config = tiny_config(
        tmp_path, data, "trainer.optimizer.learning_rate=1e30", "trainer.gradient_clip=null", "trainer.max_steps=50"
    )
    with pytest.raises(UserError, match=r"at step \d+, objects .*train\d") as caught:
        train(config)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "checkpoints/nan.ckpt").is_file()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_photo_is_one_line_from_a_worker_too(tmp_path, workers):
    root = write_nmr(tmp_path / "data", views=5, size=32)
    for image in root.glob("*/*/image/*.png"):
        image.write_bytes(image.read_bytes()[:100])
    config = tiny_config(tmp_path / "run", root, f"trainer.loader.num_workers={workers}", "trainer.loader.val_scenes=0")
    with pytest.raises(UserError, match=r"cannot read image '.*\.png'") as caught:
        train(config)
    assert "\n" not in str(caught.value)


def test_an_unwritable_run_folder_is_one_line(tmp_path, data):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        train(tiny_config(tmp_path / "file" / "run", data))
