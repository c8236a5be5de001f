"""The part vocabulary: closed, wound outwards, where and as large as asked."""

import numpy as np
import pytest
from trimesh import Trimesh

from datasets.shapes13 import parts

PLATE = [(0, 0), (2, 0), (2, 1), (1, 0.2), (0, 1)]
PARTS = {
    "box": parts.box((1, 2, 3), (1, 0, 0), top=(0.5, 0.2), lean=(0.1, 0.0)),
    "cushion": parts.cushion((1, 2, 3), (0, 1, 0)),
    "ellipsoid": parts.ellipsoid((1, 2, 3), (0, 0, 1)),
    "rod": parts.rod((0, 0, 0), (1, 1, 1), 0.1, 0.2),
    "sweep": parts.sweep([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 1)], 0.1),
    "wing": parts.wing((0, 1), (0.5, 0.8), 2, 0.1, 0.12, 0.0),
    "mirrored": parts.mirrored(parts.wing((0, 1), (0.5, 0.8), 2, 0.1, 0.12, 0.0)),
    "turned": parts.turned(parts.box((1, 2, 3), (0, 0, 0)), 40, "y"),
    **{f"cylinder {axis}": parts.cylinder(0.5, 2, (0, 0, 0), axis, 0.2) for axis in ("x", "y", "z")},
    **{f"revolve {axis}": parts.revolve([(0, 0), (1, 0), (0.5, 2), (0, 2)], axis=axis) for axis in ("x", "y", "z")},
    **{f"extrude {axis}": parts.extrude(PLATE, 1, axis) for axis in ("x", "y", "z")},
    "extrude clockwise": parts.extrude(PLATE[::-1], 1, "z"),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_are_closed_and_wound_outwards(name: str) -> None:
    part = PARTS[name]
    mesh = Trimesh(part.vertices.round(9), part.faces, process=True)
    mesh.update_faces(mesh.nondegenerate_faces())
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0


@pytest.mark.parametrize("turn", [0.0, 0.3, np.pi / 4, np.pi / 2])
def test_a_tube_keeps_its_thickness_around_right_angles(turn: float) -> None:
    # At a right angle in the plane of the carried frame, the frame's own axis vanishes.
    angles = turn + np.arange(5) * np.pi / 2
    path = np.stack([np.cos(angles), np.zeros(5), np.sin(angles)], axis=-1)
    mesh = parts.sweep(path, 0.01, sections=6)
    rings = mesh.vertices[:30].reshape(5, 6, 3) - path[:, None]
    assert np.linalg.norm(rings, axis=-1) == pytest.approx(0.01)
    assert np.linalg.svd(rings, compute_uv=False)[:, :2] == pytest.approx(0.01 * 3**0.5)


def test_extrusion_of_a_concave_outline_keeps_its_area() -> None:
    for axis in ("x", "y", "z"):
        assert parts.extrude(PLATE, 1.5, axis).volume == pytest.approx(1.5 * 1.2)


@pytest.mark.parametrize(("axis", "size"), [("x", (2, 1, 1)), ("y", (1, 2, 1)), ("z", (1, 1, 2))])
def test_cylinders_lie_along_their_axis(axis: parts.Axis, size: tuple[float, float, float]) -> None:
    assert np.ptp(parts.cylinder(0.5, 2, (0, 0, 0), axis).vertices, axis=0) == pytest.approx(size, rel=0.02)


def test_a_cylinders_second_radius_is_at_its_positive_end() -> None:
    for axis, index in (("x", 0), ("y", 1), ("z", 2)):
        vertices = parts.cylinder(0.5, 2, (0, 0, 0), axis, 0.1).vertices
        ends = [np.linalg.norm(vertices[vertices[:, index] * side > 0.9], axis=1).max() for side in (-1, 1)]
        assert ends == pytest.approx([np.hypot(1, 0.5), np.hypot(1, 0.1)])


def test_turning_follows_the_right_hand() -> None:
    arm = parts.turned(parts.box((0.1, 0.1, 0.1), (1, 0, 0)), 90, "y")
    assert arm.vertices.mean(axis=0) == pytest.approx((0, 0, -1))
