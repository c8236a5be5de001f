"""Every reader gives cameras that see what the photos show, from the published layout with its own conventions."""

import pickle
from pathlib import Path

import hydra
import numpy as np
import pytest
import torch
from ball_scene import CENTERS, orbit, save
from config_values import batch_config, yaml_values
from dataset_checks import CONFIGS, assert_shows_the_balls, config_of, scenes_of, values_of
from dataset_layouts import (
    write_blender,
    write_colmap,
    write_dtu,
    write_llff,
    write_multicam,
    write_srn,
    write_transforms,
    write_two_objects,
)
from omegaconf import OmegaConf

from datasets.registry import build_dataset
from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.scenes.sampler import BatchSampler
from pixelnerf.scenes.scene import DamagedScenes

CONFIG_FOLDER = Path(__file__).resolve().parents[1] / "conf"


def test_srn(tmp_path):
    scene = scenes_of("srn", write_srn(tmp_path), input_views=(3,))[0]
    assert_shows_the_balls(scene)
    assert (scene.category, scene.input_views()) == ("car", (3,))
    assert torch.equal(scene.masks([0])[0], (scene.images([0])[0] != 1).any(dim=0))
    assert [len(scenes_of("srn", tmp_path, split)) for split in ("train", "val", "test")] == [1, 1, 1]


def test_srn_intrinsics_for_another_size_are_scaled(tmp_path):
    assert_shows_the_balls(scenes_of("srn", write_srn(tmp_path, intrinsics_size=128))[0])


def test_srn_finds_the_inner_folder_of_chairs(tmp_path):
    write_srn(tmp_path)
    (tmp_path / "chairs_train").mkdir()
    (tmp_path / "cars_train").rename(tmp_path / "chairs_train/chairs_2.0_train")
    assert len(scenes_of("srn", tmp_path, prefix="chairs", category="chair")) == 1


def test_two_objects(tmp_path):
    scene = scenes_of("two_objects", write_two_objects(tmp_path))[0]
    assert_shows_the_balls(scene)
    assert scene.images([0])[0][:, ~scene.masks([0])[0]].min() == 1


def test_blender(tmp_path):
    write_blender(tmp_path / "balls")
    for split in ("train", "val", "test"):
        (scene,) = scenes_of("blender", tmp_path, split)
        assert scene.name == "balls"
        assert_shows_the_balls(scene)


def test_transparency_is_composited_once_and_averaged_premultiplied(tmp_path):
    root = write_blender(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 4), np.uint8)
    save(root / "train/r_0.png", pixels)
    colors, alpha = pixels[..., :3] / 255, pixels[..., 3:] / 255
    expected = torch.from_numpy(colors * alpha + 1 - alpha).float().permute(2, 0, 1)
    scene = scenes_of("blender", root, downscales=(1, 4))[0]
    torch.testing.assert_close(scene.images([0])[0], expected, atol=0.51 / 255, rtol=0)
    averaged = torch.nn.functional.avg_pool2d(expected, 4)
    torch.testing.assert_close(scene.images([4])[0], averaged, atol=1.1 / 255, rtol=0)


def test_splits_with_one_name_do_not_share_photos(tmp_path):
    config = config_of("blender", write_blender(tmp_path))
    dataset = build_dataset(config)
    train, test = dataset.scenes("train")[0], dataset.scenes("test")[0]
    assert not torch.equal(train.images([0]), test.images([0]))


def test_blender_at_several_sizes_made_on_the_fly_averages_premultiplied_colors(tmp_path):
    full = scenes_of("blender", write_blender(tmp_path))[0]
    scene = scenes_of("blender", tmp_path, downscales=(1, 2, 4))[0]
    assert scene.num_views == 3 * full.num_views
    for level, factor in enumerate((1, 2, 4)):
        view = level * full.num_views + 1
        averaged = torch.nn.functional.avg_pool2d(full.images([1]), factor)
        torch.testing.assert_close(scene.images([view]), averaged, atol=0.51 / 255, rtol=0)
        assert scene.cameras().sizes[view].tolist() == [32 // factor] * 2
        torch.testing.assert_close(scene.cameras().intrinsics[view][:2], full.cameras().intrinsics[1][:2] / factor)
        assert torch.equal(scene.cameras().poses[view], full.cameras().poses[1])


def test_multicam(tmp_path):
    scene = scenes_of("multicam", write_multicam(tmp_path))[0]
    assert_shows_the_balls(scene)
    assert scene.cameras().sizes[:, 0].tolist() == [32, 16] * 3
    assert (scene.near, scene.far) == (1.0, 5.0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("options", [{}, {"average_intrinsics": True}])
def test_dtu(tmp_path, sign, options):
    write_dtu(tmp_path, sign=sign)
    train, test = (scenes_of("dtu", tmp_path, split, **options)[0] for split in ("train", "test"))
    assert (train.name, test.name) == ("scan1", "scan2")
    assert_shows_the_balls(test)
    np.testing.assert_allclose(test.cameras().poses, orbit(5), atol=1e-4)
    np.testing.assert_allclose(test.cameras().intrinsics[0], [[45, 0, 20], [0, 45, 16], [0, 0, 1]], atol=1e-3)


def test_dtu_in_the_layout_of_neus_shrunk_and_masked(tmp_path):
    write_dtu(tmp_path, layout="neus", width=80, height=64, focal=90.0)
    options = {"list_prefix": None, "camera_file": "cameras_sphere.npz", "downscale": 2}
    first, second = scenes_of("dtu", tmp_path, **options)
    assert_shows_the_balls(first)
    assert second.cameras().sizes[0].tolist() == [40, 32]
    (blended, _) = scenes_of("dtu", tmp_path, **options, blend_masks=True, background=(1, 1, 1))
    assert blended.images([0])[0][:, ~first.masks([0])[0]].mean() > 0.9


def test_llff(tmp_path):
    write_llff(tmp_path)
    train, test = (scenes_of("llff", tmp_path, split, scale_world=False)[0] for split in ("train", "test"))
    assert (train.num_views, test.num_views) == (7, 2)
    assert_shows_the_balls(train)
    assert (test.near, test.far) == (pytest.approx(0.9 * 1.5), 4.5)
    np.testing.assert_allclose(test.cameras().poses, orbit(9, elevation=0.3)[::8], atol=1e-6)


def test_llff_world_lies_in_the_mean_camera(tmp_path):
    scene = scenes_of("llff", write_llff(tmp_path), test_every=0)[0]
    poses = scene.cameras().poses
    assert (scene.near, scene.far) == (pytest.approx(1.2), pytest.approx(4.5 / 1.5 / 0.75))
    torch.testing.assert_close(poses[:, :3, 3].mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    mean_axes = torch.nn.functional.normalize(poses[:, :3, 2].mean(dim=0), dim=0)
    torch.testing.assert_close(mean_axes, torch.tensor([0.0, 0.0, 1.0]), atol=1e-5, rtol=0)
    # A similarity moved the balls along with the cameras: distances between cameras and balls keep their ratios.
    file_scene = scenes_of("llff", tmp_path, test_every=0, scale_world=False)[0]
    distances = [torch.pdist(found.cameras().poses[:, :3, 3]) for found in (scene, file_scene)]
    torch.testing.assert_close(distances[0], distances[1] / (0.75 * 1.5))


def test_llff_in_ndc(tmp_path):
    root = write_llff(tmp_path)
    dataset = build_dataset(config_of("llff", root, ndc=True))
    scene = dataset.scenes("train")[0]
    assert (scene.near, scene.far, scene.ndc) == (0.0, 1.0, (pytest.approx(2.25), pytest.approx(2 * 45 / 32)))
    config = batch_config(rays=30, source_views=(0, 0))
    rays = BatchSampler(dataset.groups("train"), config, 0, DamagedScenes("raise")).batch(0).rays
    assert (rays.origins[..., 2] == -1).all()
    torch.testing.assert_close((rays.origins + rays.directions)[..., 2], torch.ones(2, 30))
    with pytest.raises(ValueError, match="ndc needs"):
        scenes_of("llff", root, ndc=True, near=1.0)


def test_transforms_with_intrinsics_of_each_frame(tmp_path):
    scene = scenes_of("transforms", write_transforms(tmp_path, k1=1e-4))[0]
    assert_shows_the_balls(scene)
    assert len(scene.cameras().intrinsics[:, 0, 0].unique()) == 9


def test_transforms_take_the_depth_range_from_sparse_points(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    write_transforms(tmp_path, ply_file_path="points.ply")
    trimesh.PointCloud(CENTERS).export(tmp_path / "points.ply")
    scene = scenes_of("transforms", tmp_path, near=None, far=None)[0]
    depths = np.stack([(CENTERS - pose[:3, 3]) @ pose[:3, 2] for pose in orbit(9)])
    assert 0.85 * depths.min() < scene.near < depths.min()
    assert depths.max() < scene.far < 1.15 * depths.max()


def _write_transforms_with_points(root):
    pytest.importorskip("trimesh").PointCloud(CENTERS).export(root / "points.ply")
    return write_transforms(root, ply_file_path="points.ply")


@pytest.mark.parametrize(
    ("name", "write", "options"),
    [
        ("llff", write_llff, {}),
        ("transforms", _write_transforms_with_points, {"near": None, "far": None}),
        ("colmap", write_colmap, {"near": None, "far": None}),
    ],
)
def test_a_range_that_is_measured_makes_no_double_precision(tmp_path, name, write, options):
    """NumPy's scalars are doubles, and a double in a batch's rays ends the training at its first step."""
    config = config_of(name, write(tmp_path), **options)
    groups = build_dataset(config).groups("train")
    batch = BatchSampler(groups, batch_config(objects=1, rays=4), 0, DamagedScenes("raise")).batch(0)
    found = (batch.rays.near, batch.rays.far, batch.photos.near, batch.photos.far)
    assert [value.dtype for value in found] == [torch.float32] * 4


def test_colmap(tmp_path):
    scene = scenes_of("colmap", write_colmap(tmp_path))[0]
    assert_shows_the_balls(scene)
    points = scene.sparse_points()
    cameras = scene.cameras()
    for view in range(scene.num_views):
        seen = points.positions[points.indices[view]]
        pixels = project(cameras.intrinsics[view], world_to_camera(cameras.poses[view], seen))
        torch.testing.assert_close(pixels, points.pixels[view], atol=1e-3, rtol=0)
    assert 1.5 < scene.near < 2.7 < scene.far < 4


def test_held_out_views_are_no_training_views(tmp_path):
    write_colmap(tmp_path)
    splits = [scenes_of("colmap", tmp_path, split, test_every=4)[0].cameras().poses for split in ("train", "test")]
    assert [len(poses) for poses in splits] == [6, 3]
    assert torch.cdist(splits[0][:, :3, 3], splits[1][:, :3, 3]).min() > 0.1


# A reader of the user's own has no value for the reader; tests/test_own_reader.py has it.
OURS = sorted(path for path in CONFIG_FOLDER.glob("dataset/*.yaml") if path.stem != "own")


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_yaml_composes_and_says_how_to_get_its_data(path, tmp_path):
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base=None):
        composed = hydra.compose("config", overrides=[f"dataset={path.stem}"])
    values = OmegaConf.to_container(composed.dataset, resolve=True)
    config = CONFIGS.validate_python(values)
    if config.name in ("shapes13", "mixture"):
        return
    with pytest.raises(UserError, match=r"dataset\.root"):
        build_dataset(config.model_copy(update={"root": tmp_path / "nowhere"}))


def test_scenes_survive_the_way_to_a_worker_process(tmp_path):
    scenes = scenes_of("colmap", write_colmap(tmp_path))
    images = scenes[0].images([0])
    assert torch.equal(pickle.loads(pickle.dumps(scenes))[0].images([0]), images)


def test_mixed_datasets_keep_their_own_bounds(tmp_path):
    write_blender(tmp_path / "blender")
    write_dtu(tmp_path / "dtu")
    parts = {name: values_of(name, tmp_path / name) for name in ("blender", "dtu")}
    mixture = {**yaml_values("dataset/mixture"), "parts": parts}
    dataset = build_dataset(CONFIGS.validate_python({**mixture, "weights": {"blender": 1, "dtu": 3}}))
    assert [(scene.near, scene.background[0]) for scene in dataset.scenes("train")] == [(1.0, 1.0), (0.1, 0.0)]
    assert [(len(group.scenes), group.weight) for group in dataset.groups("train")] == [(1, 1.0), (1, 3.0)]
    with pytest.raises(ValueError, match="weights are for"):
        CONFIGS.validate_python({**mixture, "weights": {"blender": 1}})


@pytest.mark.parametrize("change", [{"near": 0.5}, {"half_depth": None}])
def test_parts_whose_frames_have_a_depth_share_their_bounds(tmp_path, change):
    """Half of the bounds' range is the unit of densities, which no photo shows."""
    one = yaml_values("dataset/nmr", root=tmp_path, near=0.4, far=6.6, half_depth=1.4)
    mixture = {**yaml_values("dataset/mixture"), "weights": {"one": 1, "two": 1}}
    CONFIGS.validate_python({**mixture, "parts": {"one": one, "two": one}})
    with pytest.raises(ValueError, match="the same near, far and half_depth"):
        CONFIGS.validate_python({**mixture, "parts": {"one": one, "two": {**one, **change}}})


def test_phone_capture_has_the_same_poses_by_both_files(shared_folder):
    root = shared_folder / "data/llff/bottle_on_desk"
    if not root.is_dir():
        pytest.skip("no phone capture")
    llff = scenes_of("llff", root, test_every=0)[0]
    colmap = scenes_of("colmap", root, test_every=0, scale_world=True)[0]
    errors = {}
    for name, scene in (("llff", llff), ("colmap", colmap)):
        points, cameras = scene.sparse_points(), scene.cameras()
        pixels = [
            project(cameras.intrinsics[view], world_to_camera(cameras.poses[view], points.positions[seen]))
            - points.pixels[view]
            for view, seen in enumerate(points.indices)
        ]
        errors[name] = torch.cat(pixels).norm(dim=-1).mean()
    # poses_bounds.npy has one focal length for all views, and no distortion.
    assert errors["colmap"] < 0.25
    assert 0.6 < errors["llff"] < 1.5
    both = []
    for view, seen in enumerate(colmap.sparse_points().indices):
        pixels = [
            project(
                colmap.cameras().intrinsics[view],
                world_to_camera(scene.cameras().poses[view], scene.sparse_points().positions[seen]),
            )
            for scene in (llff, colmap)
        ]
        both.append((pixels[0] - pixels[1]).norm(dim=-1))
    assert torch.cat(both).max() < 0.01
