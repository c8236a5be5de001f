import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from datasets.meshes.materials import load_surface
from pixelnerf.app.mesh import extract_mesh, extract_points
from pixelnerf.errors import UserError
from pixelnerf.model.baked import BakedVolume

CELL, SIZE, RADIUS = 0.05, 24, 0.4
AXES = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
CENTER = torch.tensor([3.0, -2.0, 1.0])


def ball(density=400.0, slope=0.0):
    """A ball as cells see it: each has the share of it that is inside."""
    fine = 8
    grid = (torch.arange(SIZE * fine) + 0.5) / fine - SIZE / 2
    x, y, z = torch.meshgrid(grid, grid, grid, indexing="ij")
    inside = ((x**2 + y**2 + z**2).sqrt() * CELL < RADIUS).float()
    share = torch.nn.functional.avg_pool3d(inside[None, None], fine)[0, 0]
    colors = torch.zeros(SIZE, SIZE, SIZE, 4, 3)
    colors[..., 0, :] = torch.tensor([0.2, 0.5, 0.7])
    colors[..., 3, 0] = slope
    corner = CENTER - AXES @ torch.full((3,), CELL * SIZE / 2)
    return BakedVolume(corner, AXES, torch.tensor(CELL), density * share, colors)


@pytest.mark.parametrize("density", [60.0, 400.0])
def test_a_ball_comes_back_with_its_radius_and_place(density):
    mesh = extract_mesh(ball(density))
    assert mesh.is_watertight
    assert mesh.volume > 0
    distances = np.linalg.norm(mesh.vertices - CENTER.numpy(), axis=1)
    assert distances.mean() == pytest.approx(RADIUS, rel=0.02)
    assert distances.std() < 0.03 * RADIUS
    assert (3 * mesh.volume / (4 * np.pi)) ** (1 / 3) == pytest.approx(RADIUS, rel=0.02)


def test_a_soft_ball_comes_back_within_half_a_cell():
    """None of its cells stops much light, and a straight ray through it nearly all."""
    mesh = extract_mesh(ball(8.0))
    assert np.linalg.norm(mesh.vertices - CENTER.numpy(), axis=1).mean() == pytest.approx(RADIUS, abs=CELL / 2)


def test_noise_does_not_crease_a_soft_ball():
    """A density that falls slowly from the middle, and is uncertain everywhere."""
    volume = ball(8.0)
    places = (torch.arange(SIZE) + 0.5 - SIZE / 2) * CELL
    distances = torch.stack(torch.meshgrid(places, places, places, indexing="ij")).norm(dim=0)
    noise = torch.randn(SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).mul(0.4).exp()
    mesh = extract_mesh(replace(volume, density=8 * noise * torch.sigmoid((RADIUS - distances) / (2 * CELL))))
    outward = mesh.triangles_center - CENTER.numpy()
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    turned = np.degrees(np.arccos((outward * mesh.face_normals).sum(1).clip(-1, 1)))
    assert np.average(turned, weights=mesh.area_faces) < 20


def test_a_haze_around_the_object_is_not_its_surface():
    volume = ball(8.0)
    hazy = torch.where(volume.density > 0, volume.density, 0.05)
    mesh = extract_mesh(BakedVolume(volume.corner, volume.axes, volume.cell, hazy, volume.colors))
    assert np.linalg.norm(mesh.vertices - CENTER.numpy(), axis=1).max() < 1.1 * RADIUS


def test_colours_are_those_seen_from_outside():
    mesh = extract_mesh(ball(slope=0.2))
    top = mesh.vertices[:, 2] > CENTER[2].item() + 0.95 * RADIUS
    bottom = mesh.vertices[:, 2] < CENTER[2].item() - 0.95 * RADIUS
    colors = np.asarray(mesh.visual.vertex_colors) / 255
    # From above, rays go down: d_z = -1.
    np.testing.assert_allclose(colors[top, :3].mean(0), [0.0, 0.5, 0.7], atol=0.02)
    np.testing.assert_allclose(colors[bottom, :3].mean(0), [0.4, 0.5, 0.7], atol=0.02)


@pytest.mark.parametrize("up", [(0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (0.6, 0.0, 0.8)])
def test_glb_stands_upright_with_the_colours_of_the_photos(up, tmp_path):
    """By the rules of glTF 2.0: y is up, colours are linear, no light is added."""
    mesh = extract_mesh(ball(), up=torch.tensor(up))
    mesh.export(tmp_path / "ball.glb")
    content = (tmp_path / "ball.glb").read_bytes()
    tree = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
    assert tree["materials"][0]["extensions"] == {"KHR_materials_unlit": {}}
    scene = trimesh.load_scene(tmp_path / "ball.glb", process=False)
    (name,), (node,) = scene.geometry, scene.graph.nodes_geometry
    np.testing.assert_allclose(scene.geometry[name].vertices, mesh.vertices, atol=1e-6)
    transform = scene.graph[node][0]
    np.testing.assert_allclose(transform[:3, :3] @ up, [0, 1, 0], atol=1e-6)
    assert np.linalg.det(transform[:3, :3]) == pytest.approx(1)
    # The ball is of one colour, in sRGB.
    linear = scene.geometry[name].visual.vertex_attributes["color"][:, :3]
    shown = 1.055 * linear.mean(0) ** (1 / 2.4) - 0.055
    np.testing.assert_allclose(shown, [0.2, 0.5, 0.7], atol=0.005)
    # Our own reader agrees.
    colors = load_surface(tmp_path / "ball.glb").paint.colors
    np.testing.assert_allclose(colors.reshape(-1, 3).mean(0), [0.2, 0.5, 0.7], atol=0.005)


@pytest.mark.parametrize("kind", ["obj", "ply"])
def test_other_formats_have_the_user_s_world(kind, tmp_path):
    mesh = extract_mesh(ball(), up=torch.tensor([0.0, -1.0, 0.0]))
    mesh.export(tmp_path / f"ball.{kind}")
    back = trimesh.load(tmp_path / f"ball.{kind}", process=False, force="mesh")
    np.testing.assert_allclose(back.bounds, mesh.bounds, atol=1e-5)
    np.testing.assert_allclose(np.asarray(back.visual.vertex_colors)[:, :3].mean(0) / 255, [0.2, 0.5, 0.7], atol=0.005)


def test_points_lie_on_the_surface():
    cloud = extract_points(ball(), count=500)
    assert cloud.vertices.shape == (500, 3)
    assert np.linalg.norm(cloud.vertices - CENTER.numpy(), axis=1).mean() == pytest.approx(RADIUS, rel=0.03)


def test_an_empty_volume_and_a_threshold_above_all_are_one_line():
    volume = ball()
    with pytest.raises(UserError, match=r"no surface at a density of 1e\+03: the highest is 400; give a lower"):
        extract_mesh(volume, 1000.0)
    with pytest.raises(UserError, match="nothing was found"):
        extract_mesh(BakedVolume(volume.corner, volume.axes, volume.cell, 0 * volume.density, volume.colors))
