"""Where cameras of rendered meshes stand."""

from pathlib import Path

import numpy as np
import pytest

from datasets.meshes.rig import Rig, hand_held, on_sphere, ring, spiral


def test_ring_is_the_nmr_rig(shared_folder: Path) -> None:
    archives = sorted((shared_folder / "data/NMR_sample").glob("*/*/cameras.npz"))
    if not archives:
        pytest.skip("no NMR sample")
    cameras = np.load(archives[0], allow_pickle=False)
    rig = ring(24)
    for view in range(24):
        assert rig.poses[view] == pytest.approx(cameras[f"world_mat_inv_{view}"], abs=1e-6)
        assert rig.focals[view] == pytest.approx(cameras[f"camera_mat_{view}"][0, 0], abs=1e-6)


@pytest.mark.parametrize(
    "rig",
    [
        ring(5),
        on_sphere(40, -90, 2.0, 1.5, np.random.default_rng(0)),
        on_sphere(40, 0, 2.0, 1.5, np.random.default_rng(0)),
        spiral(40, 2.0, 1.5),
    ],
)
def test_rigs_are_rigid_upright_and_look_at_the_origin(rig: Rig) -> None:
    rotations, positions = rig.poses[:, :3, :3], rig.poses[:, :3, 3]
    assert np.swapaxes(rotations, 1, 2) @ rotations == pytest.approx(np.tile(np.eye(3), (len(rotations), 1, 1)))
    assert np.linalg.det(rotations) == pytest.approx(np.ones(len(rotations)))
    distances = np.linalg.norm(positions, axis=1)
    assert distances == pytest.approx(np.full(len(distances), distances[0]))
    assert rotations[:, :, 2] * distances[0] == pytest.approx(-positions)
    assert (rotations[:, 1, 1] < 0).all()  # the image's down is the world's down


@pytest.mark.parametrize("radius", [0.5, 0.87])
def test_hand_held_cameras_are_spread_and_see_the_whole_object(radius: float) -> None:
    rig = hand_held(24, radius, np.random.default_rng(0))
    rotations, positions = rig.poses[:, :3, :3], rig.poses[:, :3, 3]
    assert np.swapaxes(rotations, 1, 2) @ rotations == pytest.approx(np.tile(np.eye(3), (24, 1, 1)))
    distances = np.linalg.norm(positions, axis=1)
    elevations = np.degrees(np.arcsin(positions[:, 1] / distances))
    azimuths = np.degrees(np.arctan2(positions[:, 2], positions[:, 0])) % 360
    assert (np.floor(azimuths / 15) == np.arange(24)).all()
    assert elevations.min() == pytest.approx(-10, abs=4)
    assert elevations.max() == pytest.approx(80, abs=12)
    assert (elevations[:12] > 30).any()
    assert (elevations[:12] < 30).any()
    fields = 2 * np.degrees(np.arctan(1 / rig.focals))
    assert fields.min() == pytest.approx(25, abs=5)
    assert fields.max() == pytest.approx(65, abs=5)
    # A narrow lens is used from afar.
    assert np.corrcoef(distances, fields)[0, 1] < -0.8
    assert distances.min() - radius > 0.4  # conf/dataset/shapes13_photos.yaml: near and far
    assert distances.max() + radius < 6.6
    x, y, depth = np.einsum("vji,vj->iv", rotations, -positions)
    off = np.stack([x, y]) / depth * rig.focals
    assert np.abs(off).max() < 0.25
    assert np.abs(off).max() > 0.05


def test_spheres_and_spirals_cover_what_they_say() -> None:
    whole = on_sphere(2000, -90, 1.0, 1.0, np.random.default_rng(0)).poses[:, 1, 3]
    assert np.abs(np.histogram(whole, 4, (-1, 1))[0] - 500).max() < 80  # even in area = even in height
    assert on_sphere(200, 0, 1.0, 1.0, np.random.default_rng(0)).poses[:, 1, 3].min() >= 0
    heights = spiral(251, 1.0, 1.0).poses[:, 1, 3]
    assert (np.diff(heights) < 0).all()
    assert heights[0] > 0.99
    assert heights[-1] < 0.01
