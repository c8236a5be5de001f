"""The benchmark's parts on tiny nets, and the whole script once."""

import json
import runpy
import sys

import pytest
import torch
from ball_scene import write_nmr
from builders import FAR, NEAR, first_rays, published_net, random_photos, ring_cameras, small_net

from pixelnerf.benchmark.widen import widened
from pixelnerf.errors import UserError
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.original import OriginalRenderer

WHITE = torch.ones(1, 3)
SMALL = (
    "encoder.backbone=resnet18.tv_in1k",
    "encoder.stages=2",
    "encoder.pretrained=false",
    "field.width=16",
    "field.blocks=2",
    "field.injection_blocks=1",
    "renderer.coarse_samples=8",
)
KEYS = ("train_step_ratio", "view_ratio", "turntable_ratio", "psnr_drop", "mlp_share_of_peak", "fps_64")


def some_rays(count=40):
    return first_rays(image_rays(ring_cameras(1, 24, seed=9)[0, 0], NEAR, FAR), count)


@pytest.fixture(scope="module")
def original(repository):
    """The published model with lively weights: its residual branches start at zero otherwise."""
    net = published_net(repository, "pixelnerf", {"field.width": 32, "encoder.backbone": "resnet18.tv_in1k"}).eval()
    with torch.no_grad():
        for parameter in net.fields.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


def test_projection_once_a_texel_equals_projection_once_a_sample(original):
    photos = random_photos(ring_cameras(2))
    per_sample = OriginalRenderer(original)
    with torch.no_grad():
        ours = original.render(original.encode(photos), some_rays(), WHITE)
        theirs = per_sample.render(per_sample.encode(photos), some_rays(), WHITE)
    assert ours.color.std() > 0.01
    torch.testing.assert_close(ours.color, theirs.color, atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.coarse.weights, theirs.coarse.weights, atol=1e-4, rtol=0)


def test_the_originals_gradients_are_ours(original):
    photos = random_photos(ring_cameras(1))
    gradients = []
    for renderer in (original, OriginalRenderer(original)):
        original.zero_grad()
        # The second pass's samples move with the first one's rounding, so only the first is compared.
        renderer.render(renderer.encode(photos), some_rays(), WHITE).coarse.color.square().sum().backward()
        gradients.append({name: value.grad for name, value in original.named_parameters() if value.grad is not None})
    ours_by_name, theirs_by_name = gradients
    assert len(theirs_by_name) > 40
    for name, theirs in theirs_by_name.items():
        ours = ours_by_name[name]
        torch.testing.assert_close(ours, theirs, atol=1e-3 * theirs.abs().max().item() + 1e-6, rtol=0)


def test_the_originals_way_needs_points(repository):
    with pytest.raises(UserError, match=r"lookup\.mode=point"):
        OriginalRenderer(small_net(repository))


def test_a_widened_net_computes_the_same(repository):
    small = small_net(repository)
    changes = {
        "encoder.backbone": "resnet34.tv_in1k",
        "encoder.stages": 4,
        "field.width": 48,
        "field.blocks": 5,
        "field.injection_blocks": 3,
    }
    wide = widened(small, small_net(repository, changes).config)
    photos = random_photos(ring_cameras(2))
    with torch.no_grad():
        expected = small.render(small.encode(photos), some_rays(), WHITE)
        found = wide.render(wide.encode(photos), some_rays(), WHITE)
    assert expected.color.std() > 0.01
    torch.testing.assert_close(found.color, expected.color, atol=1e-5, rtol=0)
    with pytest.raises(UserError, match="no part smaller"):
        widened(wide, small.config)


@pytest.fixture
def benchmark(monkeypatch, capsys, repository, tmp_path):
    root = write_nmr(tmp_path / "nmr", objects_per_split=1, views=4, size=16)

    def run(*changes):
        arguments = [
            *(f"model.{change}" for change in SMALL),
            *(f"original.{change}" for change in SMALL),
            "model.renderer.placement.samples=4",
            "dataset=nmr",
            f"dataset.root={root}",
            "dataset.categories=[airplane,chair]",
            *("scenes=1", "side=8", "objects=1", "rays=8", "frames=2", "original_rays=8", "repeats=1"),
            *("pixels=[8,16]", "views=[1,2]", "samples=[8]"),
            f"output={tmp_path / 'out'}",
            *changes,
        ]
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *arguments])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(repository / "scripts/benchmark.py"), run_name="__main__")
        return stopped.value.code, capsys.readouterr()

    return run


def test_the_benchmark_writes_its_figures(benchmark, tmp_path):
    status, printed = benchmark()
    assert status == 0, printed.err
    results = json.loads((tmp_path / "out/bench.json").read_text())
    assert all(isinstance(results[key], float) for key in KEYS)
    assert results["training_step"]["original_flops"] > results["training_step"]["flops"] > 0
    assert "weights are random" in printed.out
    assert "training step" in printed.out
    assert (tmp_path / "out/bench.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("scenes=9", "wants 9 scenes"),
        ("checkpoint=missing.ckpt", "no such checkpoint"),
        ("model.field.direction=input", "quality=exact"),
        ("pixels=[0]", "pixels"),
        ("device=abacus", "device=abacus"),
    ],
)
def test_a_mistake_is_one_line(benchmark, change, expected):
    status, printed = benchmark(change)
    assert status == 2
    (line,) = printed.err.strip().splitlines()[-1:]
    assert expected in line
    assert "Traceback" not in printed.err
