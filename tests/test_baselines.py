import numpy as np
import torch
from ball_scene import look_at_origin, orbit

from pixelnerf.evaluation.methods import baselines, nearest_views


def test_the_nearest_view_is_the_one_with_the_smallest_angle():
    generator = np.random.default_rng(0)
    inputs, targets = (
        torch.tensor(np.stack([look_at_origin(position) for position in generator.normal(size=(count, 3))]))
        for count in (5, 40)
    )
    cosines = targets[:, :3, 2] @ inputs[:, :3, 2].T
    assert torch.equal(nearest_views(inputs, targets), cosines.clamp(-1, 1).arccos().argmin(-1))


def test_neighbours_on_a_circle():
    poses = torch.tensor(orbit(24))
    assert nearest_views(poses[[0, 8, 16]], poses[[1, 23, 9, 6, 15, 19]]).tolist() == [0, 0, 1, 1, 2, 2]


def test_cameras_that_look_the_same_way_differ_by_place():
    poses = torch.eye(4).repeat(5, 1, 1)
    poses[:, 0, 3] = torch.tensor([0.0, 1.0, 2.0, 0.4, 1.8])
    assert nearest_views(poses[:3], poses[3:]).tolist() == [0, 2]


def test_the_pictures_are_the_nearest_photo_and_the_background():
    poses = torch.tensor(orbit(6)).float()
    photos = torch.rand(2, 5, 4, 3)
    nearest, background = baselines(photos, poses[[0, 3]], poses[[1, 4]], (0.0, 0.5, 1.0))
    assert (nearest.method, background.method) == ("nearest_view", "background")
    assert torch.equal(nearest.images, photos)
    assert background.images.shape == photos.shape
    assert background.images.unique(dim=2).shape[2] == 1
    assert background.images[1, 2, 3].tolist() == [0.0, 0.5, 1.0]
