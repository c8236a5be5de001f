import numpy as np
import pytest
import torch
from ball_scene import write_nmr
from config_values import batch_config, nmr_config
from dataset_checks import same

from datasets.readers.nmr import NmrDataset
from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.scenes.photos import draw_color_map
from pixelnerf.scenes.sampler import BatchSampler
from pixelnerf.scenes.scene import DamagedScenes, SceneGroup


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return NmrDataset(nmr_config(write_nmr(tmp_path_factory.mktemp("nmr"), views=5, size=32)))


def make_sampler(dataset, seed=0, share=(0, 1), **options):
    config = batch_config(**{"objects": 3, "rays": 40, **options})
    return BatchSampler(dataset.groups("train"), config, seed, DamagedScenes("raise"), share)


def pixels_of(scene, view, rays):
    """Where rays fall in a view of their own scene."""
    points = world_to_camera(scene.cameras().poses[view], rays.origins + rays.directions)
    return project(scene.cameras().intrinsics[view], points)


def view_of(scene, origin):
    return int((scene.cameras().poses[:, :3, 3] - origin).norm(dim=-1).argmin())


def scene_of(dataset, name):
    return next(scene for scene in dataset.scenes("train") if scene.name == name)


def test_batches_depend_on_seed_and_step_only(dataset):
    sampler = make_sampler(dataset)
    later = sampler.batch(7)
    assert same(later, make_sampler(dataset).batch(7))
    assert not same(later, sampler.batch(8))
    assert not same(later, make_sampler(dataset, seed=1).batch(7))


def test_processes_make_shares_of_the_batch_that_one_would_make(dataset):
    options = {"objects": 4, "source_views": (1, 3), "mixed_view_counts": True}
    whole = make_sampler(dataset, **options).batch(7)
    parts = [make_sampler(dataset, share=(rank, 2), **options).batch(7) for rank in range(2)]
    assert sum((part.names for part in parts), ()) == whole.names
    assert torch.equal(torch.cat([part.colors for part in parts]), whole.colors)
    assert torch.equal(torch.cat([part.rays.origins for part in parts]), whole.rays.origins)
    assert torch.equal(torch.cat([part.photos.present.sum(1) for part in parts]), whole.photos.present.sum(1))


def test_a_batch_that_cannot_be_divided_is_one_line(dataset):
    with pytest.raises(UserError, match="objects=3 scenes cannot be divided among 2 processes"):
        make_sampler(dataset, share=(0, 2))


@pytest.mark.parametrize("downscale", [1, 2, 4])
def test_colors_and_coverages_are_what_the_rays_see(dataset, downscale):
    """Each ray starts at a camera, falls on the centre of a (shrunk) pixel, and has its mean colour and mask."""
    batch = make_sampler(dataset, downscales=(downscale,)).batch(0)
    for element, name in enumerate(batch.names):
        scene = scene_of(dataset, name)
        for ray in range(0, 40, 5):
            view = view_of(scene, batch.rays.origins[element, ray])
            rays = batch.rays.map_tensors(lambda tensor, e=element: tensor[e])[ray : ray + 1]
            x, y = (pixels_of(scene, view, rays)[0] / downscale - 0.5).tolist()
            column, row = round(x), round(y)
            assert abs(x - column) + abs(y - row) < 1e-3
            image = scene.images([view])[0]
            rows, columns = (slice(at * downscale, (at + 1) * downscale) for at in (row, column))
            patch = image[:, rows, columns]
            torch.testing.assert_close(batch.colors[element, ray], patch.mean(dim=(1, 2)))
            mask = scene.masks([view])[
                0, row * downscale : (row + 1) * downscale, column * downscale : (column + 1) * downscale
            ]
            torch.testing.assert_close(batch.coverage[element, ray], mask.float().mean())


@pytest.mark.parametrize("downscale", [1, 2])
def test_sub_pixels_tile_their_pixel_with_thinner_cones(dataset, downscale):
    pixels = make_sampler(dataset, downscales=(downscale,)).batch(0)
    parts = make_sampler(dataset, downscales=(downscale,), supersample=4).batch(0)
    assert torch.equal(parts.colors, pixels.colors)
    torch.testing.assert_close(
        parts.rays.radii.unflatten(1, (-1, 16)), (pixels.rays.radii / 4)[..., None].expand(-1, -1, 16)
    )
    centres = parts.rays.directions.unflatten(1, (-1, 16)).mean(2)
    torch.testing.assert_close(centres, pixels.rays.directions, atol=1e-5, rtol=0)
    scene = scene_of(dataset, pixels.names[0])
    view = view_of(scene, pixels.rays.origins[0, 0])
    first = parts.rays.map_tensors(lambda tensor: tensor[0, :16])
    whole = pixels.rays.map_tensors(lambda tensor: tensor[0, :1])
    steps = (pixels_of(scene, view, first) - pixels_of(scene, view, whole)) / downscale
    expected = torch.tensor([-3.0, -1.0, 1.0, 3.0]) / 8
    torch.testing.assert_close(steps, torch.cartesian_prod(expected, expected).flip(-1), atol=1e-4, rtol=0)


def test_cones_widen_with_the_pixels(dataset):
    full = make_sampler(dataset).batch(0).rays.radii
    half = make_sampler(dataset, downscales=(2,)).batch(0).rays.radii
    torch.testing.assert_close(half, 2 * full)


def test_coarse_views_come_first_and_only_first(dataset):
    plain, staged = make_sampler(dataset), make_sampler(dataset, coarse_first=[[4, 3], [2, 5]])
    full = plain.batch(0).rays.radii
    # These cameras are alike, so a radius tells by what its view was shrunk.
    for step, factor in ((0, 4), (2, 4), (3, 2), (4, 2)):
        torch.testing.assert_close(staged.batch(step).rays.radii, factor * full)
    assert same(staged.batch(5), plain.batch(5))


def test_boxes_hold_the_first_rays(dataset):
    sampler = make_sampler(dataset, box_until_step=1, rays=200)
    outside = {}
    for step in (0, 1):
        batch = sampler.batch(step)
        outside[step] = 0
        for element, name in enumerate(batch.names):
            scene = scene_of(dataset, name)
            for ray in range(200):
                view = view_of(scene, batch.rays.origins[element, ray])
                rays = batch.rays.map_tensors(lambda tensor, e=element: tensor[e])[ray : ray + 1]
                x, y = pixels_of(scene, view, rays)[0].tolist()
                left, top, right, bottom = scene.box(view)
                outside[step] += not (left < x < right and top < y < bottom)
    assert outside[0] == 0
    assert outside[1] > 0


@pytest.mark.parametrize("downscales", [(1,), (2, 8)])
def test_every_pixel_of_the_box_is_drawn(dataset, downscales):
    sampler = make_sampler(dataset, box_until_step=9, rays=20_000, objects=1, downscales=downscales)
    choice = sampler.choose(np.random.default_rng(0), 1, 0)
    pixels = choice.pixels
    for view in range(5):
        left, top, right, bottom = choice.scene.box(view)
        for downscale in downscales:
            chosen = (pixels.views == view) & (pixels.downscale == downscale)
            assert set(pixels.columns[chosen].tolist()) == set(range(left // downscale, -(-right // downscale)))
            assert set(pixels.rows[chosen].tolist()) == set(range(top // downscale, -(-bottom // downscale)))


def test_sources_may_be_kept_from_the_targets(dataset):
    sampler = make_sampler(dataset, source_views=(2, 2), include_source_targets=False, rays=60)
    for step in range(5):
        batch = sampler.batch(step)
        sources = batch.photos.cameras.poses[:, :, :3, 3]
        distance = (batch.rays.origins[:, :, None] - sources[:, None]).norm(dim=-1)
        assert distance.min() > 0.1


def test_target_views_limits_the_views_that_rays_come_from(dataset):
    batch = make_sampler(dataset, target_views=2, rays=60).batch(0)
    for origins in batch.rays.origins:
        assert len(origins.unique(dim=0)) == 2


def test_view_counts(dataset):
    drawn = [make_sampler(dataset, source_views=(1, 3)).batch(step).photos for step in range(20)]
    assert {photos.images.shape[1] for photos in drawn} == {1, 2, 3}
    assert all(photos.present.all() for photos in drawn)
    mixed = [
        make_sampler(dataset, source_views=(1, 3), mixed_view_counts=True).batch(step).photos for step in range(20)
    ]
    counts = {tuple(photos.present.sum(dim=1).tolist()) for photos in mixed}
    assert any(len(set(row)) > 1 for row in counts)
    for photos in mixed:
        assert (photos.images[~photos.present] == 0).all()
        assert torch.isfinite(photos.cameras.poses).all()


def test_models_without_photos_get_none(dataset):
    photos = make_sampler(dataset, source_views=(0, 0)).batch(0).photos
    assert photos.images.shape[:3] == (3, 0, 3)
    assert photos.present.shape == (3, 0)


def test_scenes_of_two_sizes_share_a_batch(dataset, tmp_path):
    small = NmrDataset(nmr_config(write_nmr(tmp_path, views=4, size=16), near=0.5, far=6.0, background=(0, 0, 0)))
    groups = [SceneGroup(dataset.scenes("train"), 1.0), SceneGroup(small.scenes("train"), 3.0)]
    config = batch_config(objects=400, rays=1, target_views=1)
    batch = BatchSampler(groups, config, 0, DamagedScenes("raise")).batch(0)
    is_small = batch.photos.cameras.sizes[:, 0, 0] == 16
    assert is_small.float().mean().item() == pytest.approx(0.75, abs=0.08)
    assert batch.photos.images.shape[-2:] == (32, 32)
    assert (batch.photos.images[is_small, :, :, 16:] == 0).all()
    assert (batch.background[is_small] == 0).all()
    assert (batch.rays.near[is_small] == 0.5).all()
    assert (batch.rays.far[~is_small] == 4.0).all()


def test_color_jitter_changes_photos_and_targets_alike(dataset):
    plain, changed = (make_sampler(dataset, color_jitter=strength).batch(0) for strength in (0.0, 0.1))
    assert plain.names[0] == changed.names[0]
    photos = [batch.photos.images[0, 0].flatten(1).T for batch in (plain, changed)]
    targets = [batch.colors[0] for batch in (plain, changed)]
    assert not torch.equal(targets[0], targets[1])
    # A colour that both have becomes the same colour in both.
    same_color = torch.cdist(targets[0], photos[0]).argmin(dim=1)
    known = torch.cdist(targets[0], photos[0]).min(dim=1).values < 1e-6
    assert known.any()
    torch.testing.assert_close(targets[1][known], photos[1][same_color[known]], atol=1e-5, rtol=0)


def test_color_jitter_keeps_grey_grey_and_colors_in_range():
    change = draw_color_map(np.random.default_rng(0), 0.3, torch.tensor([0.5, 0.5, 0.5]))
    grey = change(torch.full((3,), 0.4))
    torch.testing.assert_close(grey, grey.mean().expand(3))
    colors = change(torch.rand(1000, 3))
    assert colors.min() >= 0
    assert colors.max() <= 1
    colors = torch.rand(9, 3)
    unchanged = draw_color_map(np.random.default_rng(0), 0.0, torch.tensor([0.2, 0.5, 0.9]))(colors)
    torch.testing.assert_close(unchanged, colors)


def test_too_few_views(dataset):
    with pytest.raises(UserError, match="too few for 5 inputs"):
        make_sampler(dataset, source_views=(5, 5), include_source_targets=False).batch(0)


def test_bad_options():
    stages = ([[4, 2], [2, 1]], [[2, 4], [4, 5]], [[2, 0]], [[1, 5]])
    for options in (
        {"source_views": (2, 1)},
        {"downscales": (0,)},
        {"rays": 0},
        *({"coarse_first": stage} for stage in stages),
    ):
        with pytest.raises(ValueError, match=r"rays|source_views|downscales|decreasing factors"):
            batch_config(**options)
