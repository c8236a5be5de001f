"""The figure of a scene shows its cameras, and what must coincide."""

import numpy as np
import pytest
import torch
from ball_scene import CENTERS, RADII
from inspected_scenes import open_balls, some_masks, true_matches, with_cameras, write_balls

from datasets.inspection.evidence import Evidence
from datasets.inspection.figure import draw_scene, scene_box
from datasets.inspection.two_views import Matches


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return open_balls(write_balls(tmp_path_factory.mktemp("nmr")))


def test_figures_show_the_cameras_and_what_must_coincide(scene):
    _, matches = true_matches(scene)
    evidence = Evidence(scene, matches, None, some_masks(scene))
    figure = draw_scene(evidence, [("views", "24")], ["a lens " + "is wrong " * 40])
    written = "\n".join(text.get_text() for subfigure in figure.subfigs for text in subfigure.texts)
    assert "views: 24" in written
    assert "WARNING: a lens" in written
    assert max(map(len, written.splitlines())) < 200
    above, side, *photos = figure.axes
    for axes in (above, side):
        frusta, upper_edges = axes.collections[2:4]
        assert (frusta.get_colors()[-1] != frusta.get_colors()[0]).any()
        assert len({tuple(color) for color in frusta.get_colors()[:-1]}) == 1
        assert upper_edges.get_linewidth()[0] > 2 * frusta.get_linewidth()[0]
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for line in (line for collection in axes.collections[1:4] for line in collection.get_segments()):
            assert ((line >= [left, bottom]) & (line <= [right, top])).all()
    # Above the cameras' circle is a circle, and from the side all are at one height.
    cameras = np.stack([line[5] for line in above.collections[2].get_segments()])
    np.testing.assert_allclose(np.linalg.norm(cameras, axis=1), 2.7 * np.cos(0.4), rtol=1e-4)
    heights = np.stack([line[5, 1] for line in side.collections[2].get_segments()])
    np.testing.assert_allclose(heights, 2.7 * np.sin(0.4), rtol=1e-4)
    # The first one looks ahead, from behind.
    np.testing.assert_allclose(cameras[-1], [0, -2.7 * np.cos(0.4)], atol=1e-4)
    for axes in photos[:4]:
        pixels = axes.collections[-1].get_offsets()
        assert len(pixels) > 100
        columns, rows = np.floor(pixels).astype(int).T
        view = int(axes.get_title().removeprefix("view "))
        assert scene.masks([view])[0].numpy()[rows, columns].all()
    for first, second in (photos[4:6], photos[6:8]):
        lines = np.stack(second.collections[1].get_segments())
        along, offset = lines[:, 1] - lines[:, 0], second.collections[0].get_offsets() - lines[:, 0]
        distances = (along[:, 0] * offset[:, 1] - along[:, 1] * offset[:, 0]) / np.linalg.norm(along, axis=1)
        np.testing.assert_allclose(distances, 0, atol=1e-3)
        assert first.get_xlim() == second.get_xlim() == (0, 64)


def test_the_box_of_a_hull_holds_the_balls_and_little_more(scene):
    box = scene_box(Evidence(scene, [], None, some_masks(scene)))
    low, high = (CENTERS - RADII[:, None]).min(axis=0), (CENTERS + RADII[:, None]).max(axis=0)
    np.testing.assert_allclose(box[0], low, atol=0.12)
    np.testing.assert_allclose(box[7], high, atol=0.12)


def test_edges_of_the_box_behind_a_camera_are_not_drawn(scene):
    """A camera inside the box sees some edges, and none of those behind it, which would project upside down."""
    poses = scene.cameras().poses.clone()
    poses[:, :3, 3] *= 0.1
    evidence = Evidence(with_cameras(scene, poses), [Matches((0, 1), torch.empty(2, 0, 2).double())], None, {})
    box = scene_box(evidence)
    for axes in draw_scene(evidence, [], []).axes[2:6]:
        view = int(axes.get_title().removeprefix("view "))
        behind = (box - poses[view, :3, 3]) @ poses[view, :3, 2].double() < 0
        drawn = np.concatenate([path.vertices for path in axes.collections[0].get_paths()])
        assert behind.any()
        assert 0 < np.isfinite(drawn).all(axis=1).mean() < 1
