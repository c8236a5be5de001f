"""Scenes of painted balls whose cameras are right or wrong, and what a perfect matcher would find in them."""

import copy

import torch
from ball_scene import write_nmr
from config_values import nmr_config

from datasets.inspection.evidence import Evidence
from datasets.inspection.two_views import Matches, choose_pairs
from datasets.readers.nmr import NmrDataset
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.types import Cameras

FLIP = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))


def write_balls(root):
    """A dataset of airplanes in the NMR layout, one object a split, that inspection can judge."""
    return write_nmr(root, objects_per_split=1, categories=("02691156",), views=24, size=64)


def open_balls(root):
    return NmrDataset(nmr_config(root, categories=["airplane"])).scenes("train")[0]


def with_cameras(scene, poses=None, zoom=1.0, near=None, far=None):
    """The scene as a reader with a mistake would give it."""
    changed = copy.copy(scene)
    cameras = scene.cameras()
    scale = torch.tensor([[zoom, 1, 1], [1, zoom, 1], [1, 1, 1]])
    wrong = Cameras(cameras.poses if poses is None else poses, cameras.intrinsics * scale, cameras.sizes)
    changed.cameras = lambda: wrong
    changed.near, changed.far = near or scene.near, far or scene.far
    return changed


def cameras_of(scene):
    return Evidence(scene, [], None, {}).cameras


def true_matches(scene, count=40):
    """What a perfect matcher would find: random points of the scene, seen by the true cameras."""
    points = torch.rand(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5
    matches = []
    for pair in choose_pairs(scene.cameras(), 6):
        both = cameras_of(scene)[list(pair)]
        matches.append(Matches(pair, project(both.intrinsics, world_to_camera(both.poses, points))))
    return points, matches


def some_masks(scene):
    return {view: scene.masks([view])[0] for view in range(0, 24, 3)}
