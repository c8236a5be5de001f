"""Models that are told what is up: upright frames, renders, batches, and weights from before."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from baked_volumes import ring_camera
from ball_scene import write_nmr
from builders import FAR, NEAR, first_rays, model_values, random_photos, ring_cameras, small_net
from config_values import batch_config, nmr_config
from geometry_builders import transform_cameras
from scipy.spatial.transform import Rotation
from training_runs import compose_values

import pixelnerf
from datasets.readers.nmr import NmrDataset
from pixelnerf.checkpoints.checkpoint import load_checkpoint, load_start
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.inputs import ELEVATION, encode_positions, frame_turns, upright_turns
from pixelnerf.model.lookup import to_view_frames
from pixelnerf.model.net import build_net
from pixelnerf.model.original import OriginalRenderer
from pixelnerf.scenes.photos import stack_photos
from pixelnerf.scenes.sampler import BatchSampler
from pixelnerf.scenes.scene import DamagedScenes
from pixelnerf.types import Cameras, Gaussians

WHITE = torch.ones(1, 3)
UP = torch.tensor([[0.0, 0.0, 1.0]])
UPRIGHT = {"position.frame": "view_upright"}


def told_net(repository, **changes):
    """A net with lively weights that is told what is up."""
    return small_net(repository, {**UPRIGHT, **changes})


def told(photos, up=UP):
    return replace(photos, up=up)


@pytest.fixture(scope="module")
def target():
    return ring_cameras(1, 24, seed=9)[0, 0]


def render(net, photos, camera):
    return net.render(net.encode(photos), first_rays(image_rays(camera, NEAR, FAR), 200), WHITE).color


def held(azimuth, elevation, roll):
    """Camera-to-world rotation: level and towards y, then turned by its own axes: down, right, and where it looks."""
    level = Rotation.from_matrix([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    turned = level * Rotation.from_euler("YXZ", [azimuth, -elevation, roll], degrees=True)
    return torch.from_numpy(turned.as_matrix()).float()


def test_frames_turn_with_the_azimuth_alone():
    for azimuth in (0.0, 40.0, -170.0):
        expected = held(azimuth, ELEVATION, 0.0).mT
        for elevation, roll in ((0.0, 0.0), (ELEVATION, 0.0), (70.0, 20.0), (-50.0, -120.0)):
            pose = held(azimuth, elevation, roll)
            assert pose[2, 2].item() == pytest.approx(-np.sin(np.radians(elevation)), abs=1e-6), "it looks down"
            turn = upright_turns(UP[0] @ pose)
            torch.testing.assert_close(turn @ pose.mT, expected, atol=1e-6, rtol=0)
            torch.testing.assert_close(turn @ turn.mT, torch.eye(3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_camera_that_looks_straight_down_or_up_is_given_finite_numbers(sign):
    up = torch.tensor([0.0, 0.0, sign], requires_grad=True)
    turns = upright_turns(up)
    turns.sum().backward()
    assert torch.isfinite(turns).all()
    assert torch.isfinite(up.grad).all()


def test_the_integrated_encoding_is_the_mean_over_the_gaussian(repository):
    config = told_net(repository).config.position.model_copy(update={"max_degree": 3})
    features = small_net(repository).encode(told(random_photos(ring_cameras(2, seed=3))))
    random = torch.Generator().manual_seed(0)
    mean, direction, axial, radial = torch.tensor([0.1, -0.2, 0.3]), torch.tensor([0.4, 0.7, -0.2]), 0.5, 0.04
    one = Gaussians(
        mean.view(1, 1, 1, 3), direction.view(1, 1, 3), torch.full((1, 1, 1), axial), torch.full((1, 1, 1), radial)
    )
    count = 200_000
    noise = torch.randn(count, 4, generator=random)
    drawn = mean + axial**0.5 * noise[:, :1] * direction + radial**0.5 * noise[:, 1:]
    nothing = torch.zeros(1, 1, count)
    points = Gaussians(drawn.view(1, 1, count, 3), direction.view(1, 1, 3), nothing, nothing)
    expected, samples = (
        encode_positions(to_view_frames(given, features.cameras), features, config) for given in (one, points)
    )
    error = samples.std(-2, keepdim=True) / count**0.5
    assert ((expected - samples.mean(-2, keepdim=True)).abs() < 5 * error + 1e-5).all()
    assert samples.std(-2).amax() > 0.3
    plain = config.model_copy(update={"frame": "view_normalized"})
    assert (encode_positions(to_view_frames(one, features.cameras), features, plain) - expected).abs().max() > 0.1


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


def test_cameras_of_the_published_elevation_see_no_difference(repository):
    """So weights of the ring are a start for photos from anywhere."""
    nets = [small_net(repository, frame) for frame in ({}, UPRIGHT)]
    target = ring_camera(200.0, 10.0, 24)
    for elevation, same in ((ELEVATION, True), (55.0, False)):
        cameras = Cameras.stack([ring_camera(azimuth, elevation, 32) for azimuth in (10.0, 130.0)])
        photos = told(random_photos(cameras[None]))
        before, after = (render(net, photos, target) for net in nets)
        assert before.std() > 0.01
        assert ((after - before).abs().max() < 1e-4) == same


def test_without_features_only_the_azimuth_of_a_photo_matters(repository):
    """Positions and directions of view are both given upright; what is seen in the photo is not asked here."""
    azimuth, target, found = 40.0, ring_camera(200.0, 10.0, 24), []
    for elevation, roll in ((ELEVATION, 0.0), (5.0, 30.0), (65.0, -100.0)):
        camera = ring_camera(azimuth, elevation, 32, distance=(NEAR + FAR) / 2)
        turn = torch.from_numpy(Rotation.from_euler("z", roll, degrees=True).as_matrix()).float()
        camera.poses[:3, :3] = camera.poses[:3, :3] @ turn
        renders = []
        for frame in (UPRIGHT, {}):
            net = small_net(repository, frame)
            with torch.no_grad():
                net.projections[0].weight.zero_()
            renders.append(render(net, told(random_photos(Cameras.stack([camera])[None])), target))
        found.append(renders)
    for upright, plain in found[1:]:
        assert found[0][0].std() > 0.01
        torch.testing.assert_close(upright, found[0][0], atol=1e-4, rtol=0)
        assert (plain - found[0][1]).abs().max() > 1e-2


def test_the_front_door_tells_the_elevation():
    photo = np.full((64, 64, 4), 255, np.uint8)
    photo[:16] = photo[48:] = photo[:, :16] = photo[:, 48:] = 0
    model = pixelnerf.load("shapes13")
    for elevation in (30.0, 70.0):
        angle = np.radians(elevation)
        up = model.features(model.encode(photo, elevation=elevation).photos).up
        assert up is not None
        torch.testing.assert_close(up[0, 0].double(), torch.tensor([0.0, -np.cos(angle), -np.sin(angle)]).double())


def test_the_original_has_no_such_frames(repository):
    with pytest.raises(UserError, match=r"set position\.frame=view_normalized"):
        OriginalRenderer(told_net(repository, **{"lookup.mode": "point"}))


def test_weights_from_before_go_on_upright(repository, tmp_path):
    old = small_net(repository)
    path = tmp_path / "old.safetensors"
    values = compose_values("run_dir=unused", "model=mip_pixelnerf")
    save_shared(path, old, {**values, "model": model_values(repository)}, 7)
    new = build_net(parse_config(ModelConfig, model_values(repository, UPRIGHT), "model")).eval()
    load_start(path, new, "model", new.config)
    for ours, theirs in zip(new.parameters(), load_checkpoint(path).net.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    save_shared(path, new, {**values, "model": model_values(repository, UPRIGHT)}, 8)
    plain = small_net(repository)
    with pytest.raises(UserError, match=r"position\.frame is 'view_upright' there and 'view_normalized' here"):
        load_start(path, plain, "model", plain.config)


def test_only_one_frame_is_told(repository):
    photos = told(random_photos(ring_cameras(2)))
    for frame in ("view_normalized", "view_rotated"):
        net = small_net(repository, {"position.frame": frame})
        assert frame_turns(net.encode(photos), net.config.position) is None


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
