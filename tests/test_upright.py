"""Models that are told what is up: levelled frames, renders, batches, and weights from before."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ball_scene import write_nmr
from builders import FAR, NEAR, first_rays, model_values, random_photos, ring_cameras, small_net
from config_values import batch_config, nmr_config
from geometry_builders import transform_cameras
from scipy.spatial.transform import Rotation
from training_runs import compose_values

from datasets.readers.nmr import NmrDataset
from pixelnerf.checkpoints.checkpoint import load_checkpoint, load_start
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.inputs import EncodingConfig, encode_upright, levelling
from pixelnerf.model.lookup import to_view_frames
from pixelnerf.model.net import build_net
from pixelnerf.scenes.photos import stack_photos
from pixelnerf.scenes.sampler import BatchSampler
from pixelnerf.scenes.scene import DamagedScenes
from pixelnerf.types import Gaussians

WHITE = torch.ones(1, 3)
UP = torch.tensor([[0.0, 0.0, 1.0]])
ENCODING = {"min_degree": 0, "max_degree": 3, "scale": 1.0, "include_input": True}


def told_net(repository, **changes):
    """A net with lively weights that is told what is up."""
    return small_net(repository, {"upright": ENCODING, **changes})


def told(photos, up=UP):
    return replace(photos, up=up)


@pytest.fixture(scope="module")
def target():
    return ring_cameras(1, 24, seed=9)[0, 0]


def render(net, photos, camera):
    return net.render(net.encode(photos), first_rays(image_rays(camera, NEAR, FAR), 200), WHITE).color


def test_the_levelled_frame_turns_with_the_azimuth_alone():
    for azimuth in (0.0, 40.0, -170.0):
        turns = []
        for elevation, roll in ((0.0, 0.0), (35.0, 0.0), (70.0, 20.0), (-50.0, -120.0)):
            # Level and towards y, then turned by its own axes: about down, right, and where it looks.
            level = Rotation.from_matrix([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
            pose = level * Rotation.from_euler("YXZ", [azimuth, -elevation, roll], degrees=True)
            pose = torch.from_numpy(pose.as_matrix()).float()
            turns.append(levelling(UP[0] @ pose) @ pose.mT)
        for turn in turns:
            torch.testing.assert_close(turn, turns[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(turns[0] @ UP[0], torch.tensor([0.0, -1.0, 0.0]), atol=1e-6, rtol=0)
        torch.testing.assert_close(turns[0] @ turns[0].mT, torch.eye(3), atol=1e-6, rtol=0)
        angle = np.radians(azimuth)
        ahead = torch.tensor([np.sin(angle), np.cos(angle), 0.0]).float()
        torch.testing.assert_close(turns[0] @ ahead, torch.tensor([0.0, 0, 1]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_camera_that_looks_straight_down_or_up_is_given_finite_numbers(sign):
    up = torch.tensor([0.0, 0.0, sign], requires_grad=True)
    frame = levelling(up)
    frame.sum().backward()
    assert torch.isfinite(frame).all()
    assert torch.isfinite(up.grad).all()


def test_the_integrated_encoding_is_the_mean_over_the_gaussian(repository):
    config = EncodingConfig.model_validate(ENCODING)
    photos = told(random_photos(ring_cameras(2, seed=3)))
    features = small_net(repository).encode(photos)
    random = torch.Generator().manual_seed(0)
    mean, direction, axial, radial = torch.tensor([0.1, -0.2, 0.3]), torch.tensor([0.4, 0.7, -0.2]), 0.5, 0.04
    one = Gaussians(
        mean.view(1, 1, 1, 3), direction.view(1, 1, 3), torch.full((1, 1, 1), axial), torch.full((1, 1, 1), radial)
    )
    count = 200_000
    noise = torch.randn(count, 4, generator=random)
    drawn = mean + axial**0.5 * noise[:, :1] * direction + radial**0.5 * noise[:, 1:]
    points = Gaussians(
        drawn.view(1, 1, count, 3), direction.view(1, 1, 3), torch.zeros(1, 1, count), torch.zeros(1, 1, count)
    )
    expected, samples = (
        encode_upright(to_view_frames(given, features.cameras), features, config, integrated)
        for given, integrated in ((one, True), (points, False))
    )
    error = samples.std(-2, keepdim=True) / count**0.5
    assert ((expected - samples.mean(-2, keepdim=True)).abs() < 5 * error + 1e-5).all()
    assert samples.std(-2).amax() > 0.3


def test_turning_the_world_and_up_with_it_changes_nothing(repository, target):
    net, photos = told_net(repository), told(random_photos(ring_cameras(2)))
    before = render(net, photos, target)
    rotation = torch.from_numpy(Rotation.from_rotvec([0.7, -1.1, 0.4]).as_matrix()).float()
    shift = torch.tensor([1.0, -2.0, 0.5])
    moved = replace(photos, cameras=transform_cameras(photos.cameras, rotation, shift, 1.0))
    turned = told(moved, UP @ rotation.T)
    there = transform_cameras(target, rotation, shift, 1.0)
    torch.testing.assert_close(render(net, turned, there), before, atol=1e-4, rtol=0)
    assert (render(net, moved, there) - before).abs().max() > 1e-2, "the net reads what is up"


def test_unknown_up_is_the_same_alone_and_beside_a_known_one(repository, target):
    net, cameras = told_net(repository), ring_cameras(2)
    known, unknown = told(random_photos(cameras)), random_photos(cameras)
    alone = [render(net, photos, target)[0] for photos in (known, unknown)]
    assert torch.equal(render(net, told(unknown, torch.zeros(1, 3)), target)[0], alone[1])
    both = told(unknown.map_tensors(lambda tensor: torch.cat([tensor, tensor])), torch.cat([UP, torch.zeros(1, 3)]))
    rays = first_rays(image_rays(target, NEAR, FAR), 200).map_tensors(lambda tensor: torch.cat([tensor, tensor]))
    together = net.render(net.encode(both), rays, WHITE.expand(2, 3)).color
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=0)
    assert (alone[0] - alone[1]).abs().max() > 1e-2


def test_weights_from_before_render_the_same_at_first(repository, tmp_path, target):
    old = small_net(repository)
    path = tmp_path / "old.safetensors"
    values = compose_values("run_dir=unused", "model=mip_pixelnerf")
    values["model"] = model_values(repository)
    del values["model"]["upright"]
    save_shared(path, old, values, 7)
    new = build_net(parse_config(ModelConfig, model_values(repository, {"upright": ENCODING}), "model")).eval()
    load_start(path, new, "model", new.config)
    photos = told(random_photos(ring_cameras(2)))
    assert torch.equal(render(new, photos, target), render(load_checkpoint(path).net, photos, target))
    assert sum("upright" in name for name, _ in new.named_parameters()) == 1
    save_shared(path, new, {**values, "model": model_values(repository, {"upright": ENCODING})}, 8)
    plain = small_net(repository)
    with pytest.raises(UserError, match="upright"):
        load_start(path, plain, "model", plain.config)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return NmrDataset(nmr_config(write_nmr(tmp_path_factory.mktemp("nmr"), views=5, size=32)))


def batches(dataset, count, **options):
    config = batch_config(objects=4, rays=40, source_views=(1, 3), mixed_view_counts=True, **options)
    sampler = BatchSampler(dataset.groups("train"), config, 0, DamagedScenes("raise"))
    return [sampler.batch(step) for step in range(count)]


def test_a_reader_says_what_is_up_and_batches_pass_it_on(dataset):
    scene = dataset.scenes("train")[0]
    assert scene.up == (0.0, 0.0, 1.0)
    photos = stack_photos([scene], [[0]], [[scene.images([0])[0]]])
    assert photos.up is not None
    assert torch.equal(photos.up, UP)
    (batch,) = batches(dataset, 1)
    assert batch.photos.up is not None
    assert torch.equal(batch.photos.up, UP.expand(4, 3))


def test_training_is_told_a_little_wrongly_or_not_at_all(dataset):
    plain, once, again = (
        batches(dataset, 400, **options) for options in ({}, *({"up_error": 5.0, "unknown_up_share": 0.25},) * 2)
    )
    for ours, theirs in zip(plain, once, strict=True):
        assert ours.names == theirs.names
        assert torch.equal(ours.rays.directions, theirs.rays.directions)
        assert torch.equal(ours.photos.images, theirs.photos.images)
    given = torch.cat([batch.photos.up for batch in once])
    assert torch.equal(given, torch.cat([batch.photos.up for batch in again]))
    known = given[(given != 0).any(-1)]
    assert 0.21 < 1 - len(known) / len(given) < 0.29
    assert ((known.norm(dim=-1) - 1).abs() < 1e-5).all()
    for axis in (0, 1):  # each level component is the sine of a tilt
        assert np.degrees(known[:, axis].std().item()) == pytest.approx(5.0, rel=0.1)
        assert abs(np.degrees(known[:, axis].mean().item())) < 4 * 5.0 / len(known) ** 0.5


def test_scenes_with_and_without_up_share_a_batch(dataset):
    scenes = list(dataset.scenes("train"))[:2]
    scenes[1].up, before = None, scenes[1].up
    try:
        photos = stack_photos(scenes, [[0], [1]], [[scene.images([0])[0]] for scene in scenes])
        neither = stack_photos(scenes[1:], [[0]], [[scenes[1].images([0])[0]]])
    finally:
        scenes[1].up = before
    assert photos.up is not None
    assert photos.up.tolist() == [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    assert neither.up is None


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("mip_pixelnerf", {"position": {"frame": "view_rotated"}}, "upright needs position.frame=view_normalized"),
        ("nerf", {}, "upright is for models that read photos"),
    ],
)
def test_models_that_cannot_be_told(model, changes, message):
    values = compose_values("run_dir=unused", f"model={model}")["model"]
    values |= {"upright": ENCODING} | {key: {**values[key], **value} for key, value in changes.items()}
    with pytest.raises(UserError, match=message):
        parse_config(ModelConfig, values, "model")


def test_what_is_up_moves_the_field_only_by_its_own_layer(repository, target):
    net, photos = told_net(repository), told(random_photos(ring_cameras(2)))
    with torch.no_grad():
        net.fields[0].upright.weight.zero_()
    bare = replace(photos, up=None)
    assert torch.equal(render(net, photos, target), render(net, bare, target))
