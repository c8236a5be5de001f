"""Bad files: one line with the path, and the way out where there is one."""

import logging
import shutil

import numpy as np
import pytest
from ball_scene import write_nmr
from config_values import batch_config, nmr_config
from PIL import Image

from datasets.readers.nmr import NmrDataset
from pixelnerf.errors import UserError
from pixelnerf.scenes.sampler import BatchSampler
from pixelnerf.scenes.scene import DamagedScenes


@pytest.fixture
def root(tmp_path):
    return write_nmr(tmp_path / "nmr", objects_per_split=2, categories=("02691156",), views=3, size=8)


def read_first(root, **options):
    dataset = NmrDataset(nmr_config(root, categories=["airplane"], **options))
    scene = dataset.scenes("train")[0]
    return scene.images(range(scene.num_views)), scene.masks(range(scene.num_views))


def edit_cameras(folder, **changes):
    with np.load(folder / "cameras.npz") as archive:
        arrays = dict(archive)
    for name, change in changes.items():
        arrays[name] = change(arrays[name].copy())
    np.savez(folder / "cameras.npz", **arrays)


def assert_one_line(caught, *parts):
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


def test_no_data_folder(tmp_path):
    with pytest.raises(UserError) as caught:
        NmrDataset(nmr_config(tmp_path / "nowhere", how_to_get="download it"))
    assert_one_line(caught, tmp_path / "nowhere", "dataset.root", "download it")


def test_no_category_folder(root):
    with pytest.raises(UserError) as caught:
        NmrDataset(nmr_config(root)).scenes("train")
    assert_one_line(caught, root / "03001627", "dataset.categories")


def test_missing_list(root):
    path = root / "02691156/softras_train.lst"
    path.unlink()
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, path)


def test_list_names_an_absent_object(root, caplog):
    path = root / "02691156/softras_train.lst"
    path.write_text("gone\ntrain0\n")
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, path, "'gone'", "on_error=skip")
    with caplog.at_level(logging.WARNING):
        read_first(root, on_error="skip")
    assert "'gone'" in caplog.text


@pytest.mark.parametrize("folder", ["image", "mask"])
def test_missing_photo(root, folder):
    path = root / f"02691156/train0/{folder}/0001.png"
    path.unlink()
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, path, "missing")


@pytest.mark.parametrize("keep", [0, 40, 0.6])
def test_truncated_photo(root, keep):
    path = root / "02691156/train0/image/0001.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: keep if keep >= 1 else int(keep * len(content))])
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, path)


def test_sixteen_bit_photo(root):
    path = root / "02691156/train0/image/0001.png"
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(path)
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, path, "8 bits")


def test_mask_of_another_size(root):
    path = root / "02691156/train0/mask/0001.png"
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(path)
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, path, "9x8", "8x8")


def test_photos_of_mixed_sizes(root):
    path = root / "02691156/train0/image/0002.png"
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(path)
    shutil.copy(path, root / "02691156/train0/mask/0002.png")
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, path, "16x16", "8x8")


def with_nan(matrix):
    matrix[0, 0] = np.nan
    return matrix


def mirrored(matrix):
    return matrix * np.array([-1, 1, 1, 1])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (with_nan, "finite"),
        (mirrored, "reflected"),
        (lambda matrix: matrix * np.array([2, 2, 2, 1]), "rigid"),
        (lambda matrix: matrix * np.array([0, 1, 1, 1]), "singular"),
        (lambda matrix: matrix[:2], "4x4"),
    ],
)
@pytest.mark.parametrize("name", ["world_mat", "world_mat_inv"])
def test_bad_pose(root, name, change, word):
    folder = root / "02691156/train0"
    edit_cameras(folder, **{f"{name}_1": change})
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, folder / "cameras.npz", "view 1", word)


def test_a_pose_that_its_inverse_contradicts(root):
    folder = root / "02691156/train0"
    edit_cameras(folder, world_mat_1=lambda matrix: matrix[[0, 2, 1, 3]] * np.array([[1], [-1], [1], [1]]))
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, folder / "cameras.npz", "view 1", "world_mat_inv", "inverse")


@pytest.mark.parametrize(("change", "word"), [(lambda matrix: -matrix, "positive"), (with_nan, "finite")])
def test_bad_focal_length(root, change, word):
    folder = root / "02691156/train0"
    edit_cameras(folder, camera_mat_2=change)
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, folder / "cameras.npz", "view 2", word)


def test_damaged_camera_file(root):
    path = root / "02691156/train0/cameras.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, path)


def test_camera_file_is_never_unpickled(root):
    path = root / "02691156/train0/cameras.npz"
    np.savez(path, world_mat_0=np.array([{"code": 1}], dtype=object))
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, path)


def test_one_view_scene(root):
    folder = root / "02691156/train0"
    with np.load(folder / "cameras.npz") as archive:
        arrays = {name: archive[name] for name in ("world_mat_0", "camera_mat_0")}
    np.savez(folder / "cameras.npz", **arrays)
    with pytest.raises(UserError) as caught:
        read_first(root)
    assert_one_line(caught, "02691156/train0", "1 view")


def test_near_must_be_before_far(root):
    with pytest.raises(ValueError, match=r"near = 4.0 is not before far = 1.2"):
        nmr_config(root, near=4.0, far=1.2)


def test_training_stops_at_a_damaged_scene_or_leaves_it_out(root, caplog):
    (root / "02691156/train0/image/0001.png").write_bytes(b"no image")
    dataset = NmrDataset(nmr_config(root, categories=["airplane"]))
    batch = batch_config()
    with pytest.raises(UserError):
        [BatchSampler(dataset.groups("train"), batch, 0, DamagedScenes("raise")).batch(step) for step in range(9)]
    damaged = DamagedScenes("skip")
    sampler = BatchSampler(dataset.groups("train"), batch, 0, damaged)
    with caplog.at_level(logging.WARNING):
        names = {name for step in range(9) for name in sampler.batch(step).names}
    assert names == {"02691156/train1"}
    assert len(damaged.messages) == 1
    assert "0001.png" in caplog.text


def test_skipping_ends_when_no_scene_is_left(root):
    for name in ("train0", "train1"):
        (root / f"02691156/{name}/cameras.npz").unlink()
    dataset = NmrDataset(nmr_config(root, categories=["airplane"]))
    batch = batch_config(objects=1)
    with pytest.raises(UserError, match="all 2 scenes are damaged"):
        BatchSampler(dataset.groups("train"), batch, 0, DamagedScenes("skip")).batch(0)
