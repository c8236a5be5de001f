import itertools
import multiprocessing
import signal

import lightning.pytorch as pl
import pytest
import torch
from ball_scene import write_nmr
from config_values import batch_config, loader_config, nmr_config
from dataset_checks import same, tensors

from datasets.readers.nmr import NmrDataset
from pixelnerf.errors import UserError
from pixelnerf.scenes.data_module import SceneDataModule, ValidationItem, ValidationItems, workers_ended
from pixelnerf.scenes.sampler import TrainBatch
from pixelnerf.scenes.scene import DamagedScenes
from pixelnerf.tools.spacing import spread


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    config = nmr_config(write_nmr(tmp_path_factory.mktemp("nmr"), size=16), input_view_list="src_views.txt")
    return NmrDataset(config)


class Recorder(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches, self.items = [], []

    def training_step(self, batch, index):
        self.batches.append(batch)
        return self.weight.sum()

    def validation_step(self, item, index):
        self.items.append(item)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def data_module(dataset, **options):
    return SceneDataModule(dataset, loader_config(batch_config(rays=8), **options), seed=3)


def fit(dataset, folder, steps, checkpoint=None, **options):
    module = Recorder()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=-1,
        logger=False,
        default_root_dir=folder,
        val_check_interval=2,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(module, data_module(dataset, **options), ckpt_path=checkpoint)
    trainer.save_checkpoint(folder / f"{steps}.ckpt")
    return module


def test_a_resumed_run_sees_the_batches_of_an_unbroken_one(dataset, tmp_path):
    unbroken = fit(dataset, tmp_path, 6).batches
    fit(dataset, tmp_path, 3)
    rest = fit(dataset, tmp_path, 6, tmp_path / "3.ckpt").batches
    assert len(rest) == 3
    assert all(same(first, second) for first, second in zip(unbroken[3:], rest, strict=True))


def test_workers_make_the_same_batches_in_the_same_order(dataset):
    loaders = []
    for workers in (0, 2):
        module = data_module(dataset, num_workers=workers)
        module.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
        loaders.append(module.train_dataloader())
    for alone, shared in itertools.islice(zip(*loaders, strict=False), 5):
        assert isinstance(alone, TrainBatch)
        assert same(alone, shared)


def test_validation_never_changes(dataset, tmp_path):
    items = fit(dataset, tmp_path, 4, val_scenes=3, val_source_views=2, val_views=1).items
    assert len(items) == 6
    assert all(same(first, second) for first, second in zip(items[:3], items[3:], strict=True))


def test_validation_gives_the_published_view_and_asks_for_others(dataset):
    module = data_module(dataset, val_scenes=4, val_source_views=1, val_views=2)
    items = list(module.val_dataloader())
    assert [item.name.split("/")[0] for item in items] == ["02691156", "02691156", "03001627", "03001627"]
    for item in items:
        assert isinstance(item, ValidationItem)
        scene = next(scene for scene in dataset.scenes("val") if scene.name == item.name)
        assert torch.equal(item.photos.cameras.poses[0, 0], scene.cameras().poses[2])
        given = item.photos.cameras.poses[0, :, :3, 3]
        assert torch.cdist(given, torch.stack([view.camera.poses[:3, 3] for view in item.views])).min() > 0.1
        assert [image.shape for image in item.images] == [(3, 16, 16)] * 2


def test_damaged_validation_scenes_are_skipped_and_counted(tmp_path, caplog):
    root = write_nmr(tmp_path, size=16)
    whole = list(data_module(NmrDataset(nmr_config(root)), val_scenes=4).val_dataloader())
    victim = whole[1].name
    damaged = sorted((root / victim / "image").iterdir())
    for path in damaged:
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError, match=victim):
        list(data_module(NmrDataset(nmr_config(root)), val_scenes=4).val_dataloader())
    dataset = NmrDataset(nmr_config(root, on_error="skip"))
    items = list(data_module(dataset, val_scenes=4).val_dataloader())
    assert [item.name for item in items] == [item.name for item in whole if item.name != victim]
    (record,) = caplog.records
    assert "(1 so far)" in record.message
    assert victim in record.message
    for path in root.glob("*/*/cameras.npz"):
        path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="all 4 scenes are damaged"):
        data_module(NmrDataset(nmr_config(root, on_error="skip")), val_scenes=4).val_dataloader()


def test_batches_move_to_the_device(dataset):
    module = data_module(dataset)
    module.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    batch = next(iter(module.train_dataloader()))
    moved = module.transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert {tensor.device.type for tensor in tensors(moved)} == {"meta"}


def test_spread():
    assert spread(10, 2) == [2, 7]
    assert spread(3, 5) == [0, 1, 2]
    assert spread(5, 0) == []


def test_a_scene_without_a_view_to_validate_is_one_line(nmr_root):
    config = loader_config(batch_config(), val_source_views=6)
    scenes = NmrDataset(nmr_config(nmr_root)).scenes("val")
    with pytest.raises(UserError, match=r"lower trainer\.loader\.val_source_views"):
        ValidationItems(scenes, config, DamagedScenes("raise"))


def test_a_worker_that_outlives_its_loop_does_not_keep_the_program(dataset):
    """As one does that is held up for longer than torch waits: it ignores SIGTERM."""
    module = data_module(dataset, num_workers=1)
    module.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    with workers_ended():
        batches = iter(module.train_dataloader())
        next(batches)
        (worker,) = multiprocessing.active_children()
        worker.terminate()
        worker.join(0.5)
        assert worker.is_alive()
    assert worker.exitcode == -signal.SIGKILL
    assert multiprocessing.active_children() == []
