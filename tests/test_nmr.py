import time
import zipfile

import numpy as np
import pytest
import torch
from ball_scene import orbit, write_nmr, write_nmr_object
from config_values import nmr_config
from dataset_checks import assert_shows_the_balls

from datasets.readers.camera_files import parse_archive
from datasets.readers.nmr import NmrDataset
from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import project, world_to_camera


@pytest.fixture(scope="module")
def nmr_root(tmp_path_factory):
    return write_nmr(tmp_path_factory.mktemp("nmr"))


def test_cameras_see_what_the_photos_show(nmr_root):
    scene = NmrDataset(nmr_config(nmr_root)).scenes("train")[0]
    assert_shows_the_balls(scene)
    np.testing.assert_allclose(scene.cameras().poses, orbit(4), atol=1e-6)


@pytest.mark.parametrize("with_inverse", [True, False])
def test_either_matrix_gives_the_pose(tmp_path, with_inverse):
    poses = write_nmr_object(tmp_path / "02691156/a", with_inverse=with_inverse)
    (tmp_path / "02691156/softras_train.lst").write_text("a\n")
    scene = NmrDataset(nmr_config(tmp_path)).scenes("train", ["airplane"])[0]
    np.testing.assert_allclose(scene.cameras().poses, poses, atol=1e-6)


def test_objects_share_cameras_only_where_files_and_sizes_are_the_same(tmp_path):
    for name, options in {"a": {}, "b": {}, "closer": {"focal": 4.0}, "larger": {"size": 48}}.items():
        write_nmr_object(tmp_path / "02691156" / name, **options)
    (tmp_path / "02691156/softras_train.lst").write_text("a\nb\ncloser\nlarger\n")
    dataset = NmrDataset(nmr_config(tmp_path))
    first, same, closer, larger = (scene.cameras() for scene in dataset.scenes("train", ["airplane"]))
    assert torch.equal(first.intrinsics, same.intrinsics)
    assert closer.intrinsics[0, 0, 0] == pytest.approx(float(first.intrinsics[0, 0, 0]) * 4.0 / 3.2)
    assert larger.intrinsics[0, 0, 0] == pytest.approx(float(first.intrinsics[0, 0, 0]) * 1.5)
    assert larger.sizes[0].tolist() == [48, 48]


def test_corner_convention_moves_the_principal_point_by_half_a_pixel(nmr_root):
    centers = NmrDataset(nmr_config(nmr_root)).scenes("train")[0].cameras().intrinsics[:, :2, 2]
    corners = NmrDataset(nmr_config(nmr_root, pixel_center=0.0)).scenes("train")[0].cameras().intrinsics[:, :2, 2]
    assert torch.equal(corners, centers + 0.5)


def test_splits_categories_and_input_views(nmr_root):
    dataset = NmrDataset(nmr_config(nmr_root, train_categories=("chair",), input_view_list="src_views.txt"))
    assert [scene.name for scene in dataset.scenes("train")] == ["03001627/train0", "03001627/train1"]
    assert {scene.category for scene in dataset.scenes("test")} == {"airplane", "chair"}
    assert len(dataset.scenes("train", ["airplane"])) == 2
    assert dataset.scenes("test")[0].input_views() == (2,)
    with pytest.raises(UserError, match="'chiar'; did you mean 'chair'"):
        dataset.scenes("test", ["chiar"])


def test_masks_and_boxes_surround_the_object(nmr_root):
    scene = NmrDataset(nmr_config(nmr_root)).scenes("train")[0]
    mask = scene.masks([1])[0]
    left, top, right, bottom = scene.box(1)
    assert mask[top:bottom, left:right].sum() == mask.sum()
    assert mask[top, left:right].any()
    assert mask[bottom - 1, left:right].any()
    assert mask[top:bottom, left].any()
    assert mask[top:bottom, right - 1].any()
    assert (scene.images([1])[0][:, ~mask] == 1).all()


def test_only_asked_views_are_decoded_and_once(tmp_path):
    scene = NmrDataset(nmr_config(write_nmr(tmp_path))).scenes("train")[1]
    asked = [path for path in (tmp_path / scene.name).rglob("0002.png")]
    expected = scene.images([2])
    for path in tmp_path.rglob("*.png"):
        # A header alone: its size can be read, its pixels cannot.
        path.write_bytes(path.read_bytes()[:40])
    assert len(asked) == 2  # photo and mask
    assert torch.equal(scene.images([2]), expected)
    with pytest.raises(UserError, match=r"0001\.png"):
        scene.images([1])


def test_forty_thousand_objects_open_in_seconds(tmp_path):
    names = [f"object{number:05d}" for number in range(40_000)]
    folder = tmp_path / "02691156"
    folder.mkdir()
    for name in names:
        (folder / name).mkdir()
    (folder / "softras_train.lst").write_text("\n".join(names))
    start = time.perf_counter()
    scenes = NmrDataset(nmr_config(tmp_path, categories=["airplane"])).scenes("train")
    assert len(scenes) == 40_000
    assert time.perf_counter() - start < 2


def test_real_renders_agree_with_their_meshes(shared_folder):
    trimesh = pytest.importorskip("trimesh")
    root, meshes = shared_folder / "data/NMR_sample", shared_folder / "data/ShapeNetCore.v2"
    if not root.is_dir() or not meshes.is_dir():
        pytest.skip("no NMR sample")
    scene = NmrDataset(nmr_config(root, categories=["bottle"])).scenes("test")[0]
    mesh = trimesh.load(meshes / scene.name / "models/model_normalized.obj", force="mesh")
    # The renders scale the longest side of the mesh's box to one and put the box's centre at the origin.
    points = (mesh.vertices - mesh.bounds.mean(axis=0)) / np.ptp(mesh.bounds, axis=0).max()
    turned = torch.tensor(np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1), dtype=torch.float32)
    cameras = scene.cameras()
    for view in range(0, scene.num_views, 4):
        pixels = project(cameras.intrinsics[view], world_to_camera(cameras.poses[view], turned)).numpy()
        silhouette = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
        # A mask's edge pixels are in or out by their centres, so each side agrees to half a pixel and a little.
        np.testing.assert_allclose(silhouette, scene.box(view), atol=0.75)


def test_cameras_that_would_unpack_to_gigabytes_are_not_unpacked(tmp_path):
    path = tmp_path / "cameras.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("world_mat_0.npy", bytes(200_000_000))
    assert path.stat().st_size < 10**6
    with pytest.raises(UserError, match=r"cameras\.npz' would unpack to 200 MB"):
        parse_archive(path.read_bytes(), path)
