import pytest
import torch
from refining import reference_refiner, wall_camera

from pixelnerf.geometry.ndc import to_ndc
from pixelnerf.geometry.rays import image_rays
from pixelnerf.geometry.surface import surface_points
from pixelnerf.refine.reference import find_candidates
from pixelnerf.refine.refiner import Candidates, PatchBatch, ReferenceView, RenderedView, cut_patches

WIDE = torch.rand(3, 32, 60, generator=torch.Generator().manual_seed(5))
CORNERS = torch.tensor([[4, 3], [16, 10], [20, 16]])


def on_wall(shift=0.0):
    """What a camera sees of a wall that is painted with `WIDE`, whose columns lie two to a step of 0.1."""
    first = 10 + round(20 * shift)
    color = WIDE[:, :, first : first + 40]
    points = surface_points(wall_camera(shift), torch.full((32, 40), 2.0))
    return RenderedView(color, points, torch.ones(32, 40))


def reference(shift):
    return ReferenceView(on_wall(shift).color, wall_camera(shift))


def test_candidates_show_the_same_part_of_the_wall():
    view = on_wall()
    found = find_candidates(view, reference(0.2), CORNERS, 16, 3)
    assert found.valid.all()
    expected = cut_patches(view.color, CORNERS, 16)
    for candidate in range(9):
        torch.testing.assert_close(found.colors[:, candidate], expected)


@pytest.mark.parametrize("normalize", [False, True])
def test_surface_points_have_the_distance(normalize):
    camera = wall_camera(0.3)
    points = surface_points(camera, torch.full((32, 40), 2.0), normalize)
    from_camera = points - camera.poses[:3, 3]
    measured = from_camera.norm(dim=-1) if normalize else from_camera[..., 2]
    torch.testing.assert_close(measured, torch.full((32, 40), 2.0))


def test_surface_points_of_ndc_are_in_the_world():
    camera, scale = wall_camera(0.3), (1.6, 2.0)
    depth = torch.rand(32, 40, generator=torch.Generator().manual_seed(1)) * 5 + 1.5
    rays = image_rays(camera, 0.0, 1.0)
    ndc_rays = to_ndc(rays, torch.tensor(scale))
    assert (ndc_rays.origins[:, 2] == -1).all()
    points = surface_points(camera, 1 - 1 / depth, ndc=scale)
    torch.testing.assert_close(points, surface_points(camera, depth), rtol=1e-4, atol=1e-4)


def test_what_is_transparent_outside_or_behind_is_no_candidate():
    view = on_wall()
    empty = RenderedView(view.color, view.points, torch.zeros(32, 40))
    assert not find_candidates(empty, reference(0.2), CORNERS, 16, 2).valid.any()
    assert not find_candidates(view, reference(0.2), CORNERS, 16, 2).valid.logical_not().any()
    far_away = ReferenceView(view.color, wall_camera(10.0))
    assert not find_candidates(view, far_away, CORNERS, 16, 2).valid.any()
    turned = wall_camera()
    turned.poses[:3, :3] = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    found = find_candidates(view, ReferenceView(view.color, turned), CORNERS, 16, 2)
    assert not found.valid.any()
    assert not found.colors.any()


@pytest.mark.parametrize(("height", "width"), [(32, 40), (9, 25)])
def test_an_untrained_refiner_returns_the_view_exactly(height, width):
    view = on_wall()
    view = RenderedView(view.color[:, :height, :width], view.points[:height, :width], view.opacity[:height, :width])
    with torch.no_grad():
        assert torch.equal(reference_refiner().eval().refine(view, reference(0.2)), view.color)


def trained_batch(count=6, seed=6):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(count, 3, 16, 16, generator=generator)
    candidates = torch.rand(count, 4, 3, 16, 16, generator=generator)
    candidates[:, 1] = truth
    valid = torch.tensor([[True, True, False, True]]).repeat(count, 1)
    return PatchBatch(torch.full_like(truth, 0.5), truth, Candidates(candidates, valid))


def lively(refiner):
    """Weights away from the start, where nothing changes."""
    with torch.no_grad():
        for parameter in refiner.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(7)))
    return refiner.eval()


def test_neither_order_nor_number_of_candidates_matters_nor_what_is_invalid():
    refiner, batch = lively(reference_refiner()), trained_batch()
    with torch.no_grad():
        refined = refiner.losses(batch).refined
        assert (refined - batch.rendered).abs().max() > 0.01
        mixed = batch.candidates.map_tensors(lambda tensor: tensor[:, [3, 2, 1, 0, 0]])
        torch.testing.assert_close(refiner.losses(PatchBatch(batch.rendered, batch.truth, mixed)).refined, refined)
        colors = batch.candidates.colors.clone()
        colors[:, 2] = 9.0
        changed = Candidates(colors, batch.candidates.valid)
        torch.testing.assert_close(refiner.losses(PatchBatch(batch.rendered, batch.truth, changed)).refined, refined)


def test_no_candidate_at_all_is_finite_in_value_and_gradient():
    refiner, batch = lively(reference_refiner()), trained_batch()
    none = Candidates(batch.candidates.colors, torch.zeros_like(batch.candidates.valid))
    loss = refiner.losses(PatchBatch(batch.rendered, batch.truth, none)).terms["refine"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in refiner.parameters() if p.grad is not None)


def test_details_come_from_the_reference():
    """Renders are flat and patches new, so whatever is right afterwards was found in a candidate."""
    refiner = reference_refiner().train()
    optimizer = torch.optim.Adam(refiner.parameters(), 3e-3)
    for step in range(100):
        loss = refiner.losses(trained_batch(seed=step)).terms["refine"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unseen = trained_batch(seed=1000)
    with torch.no_grad():
        after = refiner.losses(unseen).terms["refine"]
    assert after < 0.85 * (unseen.rendered - unseen.truth).abs().mean()
