"""The benchmark's parts on tiny nets, and the whole script once."""

import json
import runpy
import sys
from dataclasses import replace

import pytest
import torch
from ball_scene import write_nmr
from builders import FAR, NEAR, first_rays, published_net, random_photos, ring_cameras, small_net
from evaluation_builders import open_dataset

from pixelnerf.benchmark.workload import Nets, fast_views, flops, photos_of, render_views, training_step
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
KEYS = ("train_step_ratio", "view_ratio", "turntable_ratio", "psnr_drop", "fps_64")


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


@pytest.mark.parametrize("half_sides", [None, torch.tensor([0.9])], ids=["anywhere", "in_a_cube"])
def test_projection_once_a_texel_equals_projection_once_a_sample(original, half_sides):
    photos = replace(random_photos(ring_cameras(2)), half_sides=half_sides)
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


@pytest.mark.parametrize("changes", [{"field.photo_colors": True}, {"encoder.thin_channels": 4}])
def test_the_originals_way_reads_no_photos_at_full_resolution(repository, changes):
    net = published_net(repository, "pixelnerf", {"encoder.backbone": "resnet18.tv_in1k", "field.width": 32, **changes})
    with pytest.raises(UserError, match=r"field\.photo_colors=false and encoder\.thin_channels=0"):
        OriginalRenderer(net)


def test_an_untrained_net_costs_what_a_trained_one_would(repository, original, nmr_root):
    trained, untrained = (small_net(repository, seed=seed) for seed in (0, 1))
    scene = open_dataset(nmr_root).scenes("test")[0]
    photos, cameras = photos_of([scene], 1, torch.device("cpu")), scene.cameras()[:2]
    expected, own = (
        flops(lambda net=net: render_views(net, photos, scene, cameras, "fast")) for net in (trained, untrained)
    )
    nets = Nets(untrained, trained, OriginalRenderer(original))
    assert flops(fast_views(nets, photos, scene, cameras)) == expected != own


def test_a_training_step_repeats_and_reaches_every_weight(repository):
    net = small_net(repository)
    photos = random_photos(ring_cameras(1))
    before = {name: value.clone() for name, value in net.named_parameters()}
    gradients = []

    def render(generator):
        return net.render(net.encode(photos), some_rays(), WHITE, generator)

    net.fields[0].color.weight.register_hook(gradients.append)
    step = training_step(net, render)
    step()
    step()
    assert torch.equal(*gradients)
    assert gradients[0].abs().max() > 0
    assert all(torch.equal(value, before[name]) for name, value in net.named_parameters())


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


@pytest.mark.parametrize(
    ("checkpoint", "note"),
    [("null", "weights are random"), ("weights/shapes13.safetensors", "the timed net is untrained")],
)
def test_the_benchmark_writes_its_figures(benchmark, repository, tmp_path, checkpoint, note):
    status, printed = benchmark(f"checkpoint={checkpoint if checkpoint == 'null' else repository / checkpoint}")
    assert status == 0, printed.err
    results = json.loads((tmp_path / "out/bench.json").read_text())
    assert all(isinstance(results[key], float) for key in KEYS)
    step = results["training_step"]
    assert step["original_flops"] > step["flops"] > 0
    assert step["peak_bytes"] > 0
    assert list(results["memory_bytes"]) == list(results["sweeps"]["fast"]["pixels"]) == ["8", "16"]
    assert results["profile"]["original"]["mlp"] > 0
    assert note in printed.out
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
        ("model.renderer.density_unit=world checkpoint={weights}", "set model.renderer.density_unit to it"),
    ],
)
def test_a_mistake_is_one_line(benchmark, repository, change, expected):
    changes = change.format(weights=repository / "weights/shapes13.safetensors")
    status, printed = benchmark(*changes.split())
    assert status == 2
    (line,) = printed.err.strip().splitlines()[-1:]
    assert expected in line
    assert "Traceback" not in printed.err
