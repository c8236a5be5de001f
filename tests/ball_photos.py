"""Photos of a painted ball of diameter 1 about the origin, from any camera, by its equation."""

import numpy as np
import torch

from pixelnerf.geometry.cameras import look_at

UP = torch.tensor([0.0, 0.0, 1.0])


def ball_photo(rotation, position, focal, size, background=1.0, samples=3):
    """8-bit RGB and coverage in [0, 1] of a ball whose colours say where on it a point is; size is (width, height)."""
    width, height = size
    x, y = np.meshgrid(*((np.arange(side * samples) + 0.5) / samples for side in size))
    rays = np.stack([(x - width / 2) / focal, (y - height / 2) / focal, np.ones_like(x)], axis=-1) @ rotation.T
    squared, along = (rays * rays).sum(-1), rays @ position
    root = along**2 - squared * (position @ position - 0.25)
    hit = root > 0
    points = position + ((-along - np.sqrt(np.maximum(root, 0))) / squared)[..., None] * rays
    colors = 0.45 + 0.6 * points * [0.5, 1, 1] + 0.1 * np.sign(np.sin(12 * points[..., :1] + 9 * points[..., 1:2]))
    colors = np.where(hit[..., None], colors.clip(0, 0.9), background)
    blocks = (height, samples, width, samples)
    image = colors.reshape(*blocks, 3).mean(axis=(1, 3))
    return np.uint8(image * 255 + 0.5), hit.reshape(blocks).mean(axis=(1, 3))


def standing_at(elevation, distance):
    """Position of a camera at azimuth 0, and the rotation of one that looks at the origin from there."""
    angle = np.radians(elevation)
    position = distance * np.array([np.cos(angle), 0, np.sin(angle)])
    pose = look_at(torch.from_numpy(position), torch.zeros(3).double(), UP.double())
    return position, pose[:3, :3].numpy()


def level_camera(yaw, pitch):
    """Rotation of a camera that looks `yaw` degrees left of the origin's azimuth and `pitch` degrees down."""
    yaw, pitch = np.radians(180 + yaw), np.radians(pitch)
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
    pose = look_at(torch.zeros(3).double(), torch.from_numpy(forward), UP.double())
    return pose[:3, :3].numpy()
