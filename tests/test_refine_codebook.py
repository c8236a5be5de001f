import pytest
import torch
from refining import CODEBOOK, blurred_pairs, codebook_refiner, rendered_view

from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.refine.codebook import CodebookRefinerConfig


def train(refiner, batch, steps, rate=3e-3):
    optimizer = torch.optim.Adam(refiner.parameters(), rate)
    for _ in range(steps):
        losses = refiner.train().losses(batch)
        optimizer.zero_grad()
        sum(losses.terms.values()).backward()
        optimizer.step()
    return losses


@pytest.mark.parametrize(("height", "width"), [(16, 16), (30, 41), (9, 50)])
def test_an_untrained_refiner_returns_the_view_exactly(height, width):
    view = rendered_view(height, width)
    with torch.no_grad():
        assert torch.equal(codebook_refiner().eval().refine(view), view.color)


def test_it_overfits_pairs_and_rebuilds_them_from_codes():
    refiner, batch = codebook_refiner(), blurred_pairs()
    first = refiner.train().losses(batch).terms
    last = train(refiner, batch, 120).terms
    assert last["refine"] < 0.6 * first["refine"]
    assert last["reconstruction"] < 0.3 * first["reconstruction"]


def test_refining_a_view_is_what_was_trained():
    refiner, batch = codebook_refiner(), blurred_pairs()
    train(refiner, batch, 60)
    view = rendered_view(16, 16)
    view = type(view)(batch.rendered[0], view.points, view.opacity)
    with torch.no_grad():
        refined = refiner.eval().refine(view)
    before, after = ((color - batch.truth[0]).abs().mean() for color in (batch.rendered[0], refined))
    assert after < 0.8 * before


def test_quantization_keeps_its_scale_whatever_the_brightness_of_features():
    """Features once ran away from the codes; a loss of two is that of unrelated vectors of variance one."""
    refiner, batch = codebook_refiner(), blurred_pairs()
    with torch.no_grad():
        refiner.to_codes.weight.mul_(100)
        refiner.to_codes.bias.add_(50)
    terms = train(refiner, batch, 10, rate=1e-2).terms
    assert terms["quantization"] < 2.5
    assert terms["imitation"] < 2.5


def test_every_part_gets_a_gradient():
    refiner = codebook_refiner()
    train(refiner, blurred_pairs(), 3)
    terms = refiner.losses(blurred_pairs()).terms
    refiner.zero_grad()
    sum(terms.values()).backward()
    missing = [name for name, p in refiner.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert not missing


def test_the_decoders_listen_to_the_codes_at_every_up_convolution():
    refiner = codebook_refiner()
    channels = refiner.config.code_channels
    for decoder in (refiner.rebuild, refiner.change):
        for double in decoder.doublings:
            assert double.weight[-channels:].abs().sum() > 0
    codes = torch.randn(1, channels, 4, 4, requires_grad=True)
    refiner.rebuild(codes).sum().backward()
    assert codes.grad.abs().sum() > 0


def test_quantization_takes_the_nearest_code():
    codebook = codebook_refiner().codebook.eval()
    features = torch.randn(2, 8, 3, 3)
    codes, indices = codebook(features)
    table = codebook.quantizer.codebook
    flat = features.movedim(1, -1).flatten(0, 2)
    nearest = torch.cdist(flat, table).argmin(-1)
    assert torch.equal(indices.flatten(), nearest)
    torch.testing.assert_close(codes.movedim(1, -1).flatten(0, 2), table[nearest])


def test_dead_codes_are_found_and_revived():
    torch.manual_seed(4)
    codebook = codebook_refiner().codebook
    # All but two codes lie far from every feature.
    with torch.no_grad():
        codebook.quantizer.codebook.copy_(100.0 + torch.rand(32, 8))
        codebook.quantizer.codebook[:2].uniform_(-1, 1)
    features = torch.randn(8, 8, 4, 4)
    used = codebook.eval()(features)[1].unique()
    assert len(used) <= 2
    codebook.train()
    dead = []
    for _ in range(60):
        codebook(features)
        dead.append(codebook.dead_share())
    assert max(dead) > 0.9
    assert dead[-1] < 0.2
    assert len(codebook.eval()(features)[1].unique()) > 25
    assert codebook.perplexity() > 15


def test_perplexity_counts_codes_used_alike():
    codebook = codebook_refiner().codebook
    codebook.usage.zero_()
    codebook.usage[:5] = 2.0
    assert codebook.perplexity() == pytest.approx(5, rel=1e-4)
    assert codebook.dead_share() == pytest.approx(27 / 32)


@pytest.mark.parametrize(
    ("change", "message"), [({"side": 18}, "halved"), ({"overlap": 16}, "overlap"), ({"cods": 3}, "codes")]
)
def test_a_bad_configuration_is_one_line(change, message):
    with pytest.raises(UserError, match=message):
        parse_config(CodebookRefinerConfig, {**CODEBOOK, **change}, "refiner")
