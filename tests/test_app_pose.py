"""Structure from motion of real photos, against poses of the same photos at four times their size."""

import os
import shutil
from pathlib import Path

import imageio
import numpy as np
import pytest
from config_values import yaml_values
from PIL import Image
from scipy.spatial.transform import Rotation

from datasets.inspection.run import InspectionConfig, inspect
from datasets.readers.colmap_model import read_colmap_model
from datasets.registry import build_dataset, parse_dataset
from pixelnerf.app.pose import pose_photos
from pixelnerf.app.structure_from_motion import jumps, pairs_of_all, pairs_of_neighbours
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError

pytest.importorskip("pycolmap")
# Sides of the can look alike; the capture's own poses are right among these.
PHOTOS = range(0, 14, 2)


@pytest.fixture(scope="module")
def phone_capture(shared_folder):
    root = shared_folder / "data/llff/bottle_on_desk"
    if not root.is_dir():
        pytest.skip("no phone capture")
    return root


@pytest.fixture(scope="module")
def posed(phone_capture, tmp_path_factory):
    """Some photos and one of another place, posed once for all tests; they read only."""
    root = tmp_path_factory.mktemp("my photos")
    for index in PHOTOS:
        shutil.copy(phone_capture / f"images_4/{index:04d}.png", root / f"photo {index}.png")
    save_noise(root / "elsewhere.png", 3)
    seen = []
    result = pose_photos(root, progress=lambda *call: seen.append(call))
    return result, seen


def save_noise(path, seed, size=(96, 64)):
    values = np.random.default_rng(seed).integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    Image.fromarray(values).resize(size, Image.Resampling.NEAREST).save(path)
    return path


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def degrees(rotations):
    return np.degrees(Rotation.from_matrix(rotations).magnitude())


def test_poses_are_those_of_the_larger_photos_up_to_a_similarity(posed, phone_capture):
    ours, theirs = read_colmap_model(posed[0].model), read_colmap_model(phone_capture / "sparse/0")
    assert [photo.name for photo in ours.photos] == sorted(f"photo {index}.png" for index in PHOTOS)
    same = [theirs.photos[int(photo.name.split()[1].split(".")[0])] for photo in ours.photos]
    poses, expected = np.stack([photo.pose for photo in ours.photos]), np.stack([photo.pose for photo in same])
    # The mean rotation between the worlds, then the scale and shift of least squares.
    turn = Rotation.from_matrix(expected[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1)).mean().as_matrix()
    assert degrees(turn @ poses[:, :3, :3] @ expected[:, :3, :3].transpose(0, 2, 1)).max() < 1.0
    positions, wanted = poses[:, :3, 3] @ turn.T, expected[:, :3, 3]
    positions, wanted = positions - positions.mean(axis=0), wanted - wanted.mean(axis=0)
    errors = np.linalg.norm((positions * wanted).sum() / (positions**2).sum() * positions - wanted, axis=1)
    # As a share of the distance of what the photos show.
    depths = [np.median((theirs.points[photo.indices] - photo.pose[:3, 3]) @ photo.pose[:3, 2]) for photo in same]
    assert errors.max() < 0.02 * np.median(depths)


def test_one_camera_serves_photos_of_one_size(posed):
    cameras = [photo.camera for photo in read_colmap_model(posed[0].model).photos]
    assert len({camera.camera_id for camera in cameras}) == 1
    assert (cameras[0].width, cameras[0].height) == (180, 320)
    assert (cameras[0].principal_point_x, cameras[0].principal_point_y) == (90, 160)


def test_what_is_said_is_what_is_written(posed):
    result, seen = posed
    model = read_colmap_model(result.model)
    assert list(result.placed) == [photo.name for photo in model.photos]
    assert result.left_out == ("elsewhere.png",)
    assert any("elsewhere.png" in note and "1 of 8 photos" in note for note in result.notes)
    assert result.images == "."
    assert result.model == result.root / "sparse/0"
    assert {path.name for path in result.root.iterdir() if path.suffix != ".png"} == {"sparse"}
    assert [path.name for path in (result.root / "sparse").iterdir()] == ["0"]
    assert result.num_points == len(model.points) > 200
    # The error from the files, in pixels of the photos: the mean of the points' means.
    errors = []
    for photo in model.photos:
        pose = np.linalg.inv(photo.pose)
        points = model.points[photo.indices] @ pose[:3, :3].T + pose[:3, 3]
        errors.append(np.linalg.norm(photo.camera.img_from_cam(points) - photo.pixels, axis=1))
    assert result.error < 0.5
    points = np.concatenate([photo.indices for photo in model.photos])
    sums, counts = np.bincount(points, np.concatenate(errors)), np.bincount(points)
    assert (sums / counts).mean() == pytest.approx(result.error, rel=1e-6)
    assert [step for step, *_ in seen if step != "cameras"] == ["reading"] * 8 + ["features"] + ["matches"]
    assert all(done <= total for _, done, total in seen)


def test_the_colmap_reader_and_the_inspector_accept_it(posed, tmp_path):
    result, _ = posed
    values = yaml_values("dataset/colmap", root=result.root, images=result.images, test_every=0)
    (scene,) = build_dataset(parse_dataset(values)).scenes("train")
    assert scene.num_views == len(PHOTOS)
    assert scene.images([0]).shape[-2:] == (320, 180)
    assert 0 < scene.near < scene.far
    config = {"dataset": values, "split": "train", "scenes": 1, "pairs": 3, "fix": False, "output": tmp_path}
    _, reports = inspect(parse_config(InspectionConfig, config, ""))
    assert [report.warnings for report in reports] == [[]]


def test_the_same_photos_give_the_same_bytes_and_a_model_is_kept(phone_capture, tmp_path, capfd):
    models = []
    for name in ("first", "second"):
        images = tmp_path / name / "images"
        images.mkdir(parents=True)
        for index in range(0, 8, 2):
            shutil.copy(phone_capture / f"images_4/{index:04d}.png", images)
        result = pose_photos(images.parent)
        assert (result.images, result.left_out) == ("images", ())
        models.append(content(result.model))
    assert models[0] == models[1]
    assert capfd.readouterr() == ("", ""), "COLMAP's messages reach the terminal"
    (result.model / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match="already holds a model"):
        pose_photos(result.root)
    assert (result.model / "mine.txt").exists()
    # Photos that cannot be placed leave the old model, also where it may be replaced.
    for index in range(0, 8, 2):
        save_noise(result.root / f"images/{index:04d}.png", index)
    with pytest.raises(UserError, match="no two of the 4 photos"):
        pose_photos(result.root, overwrite=True)
    assert (result.model / "mine.txt").exists()
    for index in range(0, 8, 2):
        shutil.copy(phone_capture / f"images_4/{index:04d}.png", result.root / "images")
    again = pose_photos(result.root, overwrite=True)
    assert content(again.model) == models[0]
    assert [path.name for path in (again.root / "sparse").iterdir()] == ["0"]


def test_a_video_is_posed_by_its_frames(phone_capture, tmp_path):
    # Twice as large, since the codec takes from so small a video what features need.
    photos = [Image.open(phone_capture / f"images_4/{index:04d}.png").resize((360, 640)) for index in range(8)]
    frames = [np.asarray(photo) for photo in photos]
    imageio.mimwrite(tmp_path / "walk.mp4", frames, fps=10, quality=10, macro_block_size=4)
    result = pose_photos(tmp_path / "walk.mp4", frames=4)
    assert (result.root, result.images) == (tmp_path / "walk", "images")
    assert result.placed == tuple(f"frame_{number:04d}.jpg" for number in range(1, 5))
    with pytest.raises(UserError, match="never overwritten"):
        pose_photos(tmp_path / "walk.mp4", frames=4)


def test_an_interrupted_run_leaves_nothing(phone_capture, tmp_path):
    for index in range(3):
        shutil.copy(phone_capture / f"images_4/{index:04d}.png", tmp_path)
    before = content(tmp_path)

    def interrupt(step, done, total):
        if step == "matches":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pose_photos(tmp_path, progress=interrupt)
    assert content(tmp_path) == before
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_photos_of_different_objects_are_one_line(tmp_path):
    for seed in range(3):
        save_noise(tmp_path / f"{seed}.png", seed)
    before = content(tmp_path)
    with pytest.raises(UserError, match=r"no two of the 3 photos .* can be placed: .*video") as caught:
        pose_photos(tmp_path)
    assert "\n" not in str(caught.value)
    assert content(tmp_path) == before
    assert not (tmp_path / "sparse").exists()


def text_photo(folder):
    (folder / "1.jpg").write_text("no photo")


def same_photo(folder):
    shutil.copy(folder / "0.png", folder / "1.png")


def deep_photo(folder):
    Image.fromarray(np.full((64, 96), 40000, np.uint16)).save(folder / "1.png")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (text_photo, r"cannot read image '.*1\.jpg'"),
        (same_photo, r"'.*0\.png' and '.*1\.png' are the same photo"),
        (deep_photo, "more than 8 bits a channel"),
        (lambda folder: (folder / "1.HEIC").write_bytes(b"photo"), "export the photos as JPEG"),
        (lambda folder: None, "gives 1 photo, and poses need two or more"),
        (lambda folder: (folder / "0.png").unlink(), "no photos in"),
        (lambda folder: (save_noise(folder / "1.png", 1), (folder / "sparse").write_text("file")), "cannot write"),
    ],
)
def test_what_cannot_be_posed_is_one_line(tmp_path, spoil, expected):
    save_noise(tmp_path / "0.png", 0)
    spoil(tmp_path)
    before = content(tmp_path)
    with pytest.raises(UserError, match=expected) as caught:
        pose_photos(tmp_path)
    assert "\n" not in str(caught.value)
    assert content(tmp_path) == before


def test_listed_photos_lie_in_one_folder(tmp_path):
    paths = [save_noise(tmp_path / "0.png", 0)]
    (tmp_path / "other").mkdir()
    other = save_noise(tmp_path / "other/1.png", 1)
    with pytest.raises(UserError, match="put them in one"):
        pose_photos([*paths, other])
    with pytest.raises(UserError, match="are the same photo"):
        pose_photos([*paths, *paths])
    with pytest.raises(UserError, match=r"missing image '.*2\.png'"):
        pose_photos([*paths, tmp_path / "2.png"])
    with pytest.raises(UserError, match="is no photo"):
        pose_photos([tmp_path / "notes.txt"])
    with pytest.raises(UserError, match="no photos to pose"):
        pose_photos([])


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_is_not_ours_is_one_line(tmp_path):
    for seed in range(2):
        save_noise(tmp_path / f"{seed}.png", seed)
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write"):
        pose_photos(tmp_path)
    tmp_path.chmod(0o700)


def test_a_folded_capture_jumps_between_neighbours(phone_capture, posed):
    library = pytest.importorskip("pycolmap")
    # Its own model lays the can's two sides over each other: its walk of 71 photos turns back three times.
    folded = library.Reconstruction(phone_capture / "sparse/0")
    photos = [Path(f"{index:04d}.jpg") for index in range(71)]
    found = jumps(folded, photos)
    assert [(first, second) for first, second, _ in found] == [
        ("0013.jpg", "0014.jpg"),
        ("0034.jpg", "0035.jpg"),
        ("0052.jpg", "0053.jpg"),
    ]
    assert min(angle for *_, angle in found) > 160
    # Of photos without order nothing can be said, and a capture that holds has none.
    assert jumps(folded, [photos[30 * index % 71] for index in range(71)]) == []
    assert jumps(library.Reconstruction(posed[0].model), sorted(posed[0].root.glob("*.png"))) == []


def test_neighbours_are_pairs_within_ten():
    assert pairs_of_neighbours(11) == pairs_of_all(11)
    assert set(pairs_of_all(12)) - set(pairs_of_neighbours(12)) == {(0, 11)}
