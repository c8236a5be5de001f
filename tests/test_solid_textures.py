"""Patterns in space, decals, and how they are drawn for an object."""

import numpy as np
import pytest
from config_values import yaml_values

from datasets.meshes.solid_textures import Decal, Pattern, SolidTextures, blotches, checks, noise, plaid, stripes, wood
from datasets.shapes13.catalog import make_mesh
from datasets.shapes13.textures import draw_textures

POINTS = np.random.default_rng(0).uniform(-1, 1, (20_000, 3)).astype(np.float32)
AXES = np.eye(3)


@pytest.mark.parametrize(
    "field",
    [noise, wood(0.05, (0.1, 0.0), 2.0), blotches(0.1, 0.3), stripes(0.2, 0.3, AXES[0]), checks(0.1), plaid(0.2, 0.4)],
)
def test_fields_are_shares_and_take_many_values_of_them(field) -> None:
    values = field(POINTS)
    assert values.shape == (len(POINTS),)
    assert values.min() >= 0
    assert values.max() <= 1
    assert values.min() < 0.2
    assert values.max() > 0.8


def test_noise_is_smooth_and_repeats_at_whole_steps() -> None:
    assert noise(POINTS + np.array([1, -2, 3])) == pytest.approx(noise(POINTS), abs=1e-3)
    assert np.abs(noise(POINTS + 1e-4) - noise(POINTS)).max() < 0.02
    assert noise(POINTS).mean() == pytest.approx(0.5, abs=0.02)


def test_stripes_cover_their_share_and_do_not_change_along_themselves() -> None:
    field = stripes(0.1, 0.3, AXES[1])
    assert field(POINTS).mean() == pytest.approx(0.3, abs=0.02)
    assert (field(POINTS + np.array([0.37, 0, -0.2])) == field(POINTS)).mean() > 0.999


def test_neighbouring_checks_differ() -> None:
    points = (np.floor(POINTS / 0.1) + 0.5) * 0.1
    for axis in AXES:
        assert (checks(0.1)(points + 0.1 * axis) != checks(0.1)(points)).all()


def test_rings_of_wood_run_along_its_first_axis() -> None:
    field = wood(0.1, (0.0, 0.0), 0.0)
    along, across = (np.abs(field(POINTS + 0.02 * axis) - field(POINTS)).mean() for axis in AXES[:2])
    assert along < across / 3


@pytest.mark.parametrize("shape", ["disc", "target", "label"])
def test_a_decal_prints_on_its_plane_and_nowhere_else(shape) -> None:
    center, paper, ink = np.array([0.1, 0.2, 0.3]), np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    decal = Decal(shape, center, AXES, (0.2, 0.1 if shape == "label" else 0.2), 0.02, paper, ink)
    flat = np.float32(POINTS * (0.5, 0.5, 0.0) + center)
    colors = np.full((len(flat), 3), 0.5, np.float32)
    decal.print_on(colors, flat)
    printed = (colors != 0.5).any(axis=-1)
    assert (np.abs(flat - center)[printed] <= 0.2).all()
    area = {"disc": np.pi * 0.04, "target": np.pi * 0.04, "label": 0.08}[shape]
    assert printed.mean() == pytest.approx(area, rel=0.15)
    assert (colors[printed] == ink).all(axis=-1).any() == (shape != "disc")
    away = np.full((len(flat), 3), 0.5, np.float32)
    decal.print_on(away, flat + np.float32([0, 0, 0.03]))
    assert (away == 0.5).all()


def test_a_patch_has_its_own_frame_and_plain_patches_stay_plain() -> None:
    pattern = Pattern(stripes(1.0, 0.5, AXES[0]), np.array([0.0, 0.0, 0.0]))
    identity, shifted = np.eye(3, 4), np.eye(3, 4)
    shifted[0, 3] = 0.5
    textures = SolidTextures(np.stack([identity, shifted, identity]), np.array([0, 0, -1]), (pattern,), ())
    results = []
    for patch in range(3):
        colors = np.ones((len(POINTS), 3), np.float32)
        textures.apply(colors, np.full(len(POINTS), patch), POINTS)
        results.append(colors[:, 0])
    assert (results[0] + results[1] == 1).all()
    assert (results[2] == 1).all()


@pytest.mark.parametrize("category", ["chair", "car", "hybrid"])
def test_faces_of_one_colour_have_one_pattern(category) -> None:
    synset = yaml_values("dataset/shapes13")["synsets"][category]
    patterned = 0
    for index in range(6):
        mesh = make_mesh(category, synset, index, 0)
        patches, textures = draw_textures(mesh, np.random.default_rng(index))
        assert patches.shape == (len(mesh.faces),)
        _, material = np.unique(mesh.visual.face_colors, axis=0, return_inverse=True)
        pairs = np.unique(np.stack([material.reshape(-1), textures.pattern_index[patches]]), axis=1)
        assert len(np.unique(pairs[0])) == pairs.shape[1]
        patterned += (textures.pattern_index[patches] >= 0).any()
    assert patterned >= 4
