"""`inspect --fix` of COLMAP's models: points, observations, and images by other names."""

import pytest
import torch
from fixed_rooms import assert_true, cameras_by, config_of, fix, fixed_untouched
from room_formats import write_colmap_room

from datasets.registry import build_dataset


@pytest.mark.parametrize("binary", [False, True])
def test_points_of_a_model_are_kept(room_photos, tmp_path, binary):
    root = write_colmap_room(tmp_path, room_photos, "camera-to-world, OpenCV", seen_at=(160, 120), binary=binary)
    found = fixed_untouched("colmap", root)
    copy = root / "sparse/0.fixed"
    assert {path.name for path in copy.iterdir()} == {path.name for path in (root / "sparse/0").iterdir()}
    # From the points, as a capture's bounds are.
    assert_true(cameras_by("colmap", root, found.copies, near=None, far=None))
    scene = build_dataset(config_of("colmap", root, model="sparse/0.fixed")).scenes("train")[0]
    assert len(scene.sparse_points().positions) == 6


@pytest.mark.parametrize(
    ("camera", "seen_at", "size"),
    [
        ((600.0, 320.0, 240.0, 160, 120), (640, 480), (640, 480)),
        ((600.0, 320.0, 240.0, 160, 120), (160, 120), (160, 120)),
        ((150.0, 80.0, 60.0, 640, 480), (640, 480), (640, 480)),
        ((150.0, 80.0, 60.0, 640, 480), (160, 120), (160, 120)),
    ],
)
def test_cameras_of_a_model_are_in_the_pixels_of_its_observations(room_photos, tmp_path, camera, seen_at, size):
    root = write_colmap_room(tmp_path, room_photos, camera=camera, seen_at=seen_at)
    found = fix("colmap", root)
    assert_true(cameras_by("colmap", root, found.copies))
    numbers = (root / "sparse/0.fixed/cameras.txt").read_text().splitlines()[-1].split()
    assert tuple(map(int, numbers[2:4])) == size
    scene = build_dataset(config_of("colmap", root, model="sparse/0.fixed")).scenes("train")[0]
    points, cameras = scene.sparse_points(), scene.cameras()
    for view, (pixels, indices) in enumerate(zip(points.pixels, points.indices, strict=True)):
        local = (points.positions[indices] - cameras.poses[view, :3, 3]) @ cameras.poses[view, :3, :3]
        expected = (local @ cameras.intrinsics[view].T)[:, :2] / local[:, 2:]
        torch.testing.assert_close(pixels, expected, atol=0.01, rtol=0)


def test_images_of_a_model_without_a_file_and_other_names(room_photos, tmp_path):
    root = write_colmap_room(
        tmp_path, room_photos, name="/data/me/capture/images/im{:04d}.JPG".format, seen_at=(160, 120)
    )
    (root / "images/im0005.png").unlink()
    found = fixed_untouched("colmap", root)
    assert found.doubt == ""
    folder, suffix, gone = found.changes
    assert "folder" in folder
    assert "'/data/me/capture/images/im0000.JPG' and 7 more is 'im0000.JPG'" in folder
    assert "suffix" in suffix
    assert "left out: 'im0005.JPG'" in gone
    assert "cannot be read" in dict(found.before)
    assert_true(cameras_by("colmap", root, found.copies, near=None, far=None), [0, 1, 2, 3, 4, 6, 7])
    assert "im0005" not in (root / "sparse/0.fixed/images.txt").read_text()
    # A track that named the image would keep COLMAP from reading the model.
    tracks = [line.split()[8::2] for line in (root / "sparse/0.fixed/points3D.txt").read_text().splitlines()[3:]]
    assert tracks
    assert not any("6" in track for track in tracks)


def test_images_of_a_model_in_a_folder_that_it_leaves_out(room_photos, tmp_path):
    root = write_colmap_room(tmp_path, room_photos)
    (root / "images").rename(root / "cam")
    (root / "images").mkdir()
    (root / "cam").rename(root / "images/cam")
    found = fixed_untouched("colmap", root)
    assert found.doubt == ""
    assert "'im0000.png' and 7 more is 'cam/im0000.png'" in found.changes[0]
    assert_true(cameras_by("colmap", root, found.copies))


def test_shrunk_photos_of_another_type_leave_a_model_right(room_photos, tmp_path):
    root = write_colmap_room(tmp_path, room_photos, camera=(600.0, 320.0, 240.0, 640, 480), name="im{:04d}.JPG".format)
    found = fix("colmap", root)
    assert (found.changes, found.copies, found.doubt) == ((), (), "")
