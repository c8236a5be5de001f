"""The benchmark's parts on tiny nets, and the whole script once."""

import json
import runpy
import sys
from dataclasses import replace

import pytest
import torch
from ball_scene import write_nmr
from builders import FAR, NEAR, first_rays, published_net, random_photos, ring_cameras, small_net
from training_runs import TINY, compose_values

from pixelnerf.benchmark.report import losses
from pixelnerf.benchmark.workload import RAYS_PER_CHUNK, Way, compare
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.net import build_net
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


def test_a_training_step_repeats_and_reaches_every_weight(repository):
    net, photos, gradients = small_net(repository), random_photos(ring_cameras(1)), []
    rays = some_rays().map_tensors(lambda values: values[:1])
    before = {name: value.clone() for name, value in net.named_parameters()}
    net.fields[0].color.weight.register_hook(gradients.append)
    for _ in range(2):
        Way(net, net).training_step(photos, rays, torch.autocast("cpu", enabled=False))
    assert torch.equal(*gradients)
    assert gradients[0].abs().max() > 0
    assert all(torch.equal(value, before[name]) for name, value in net.named_parameters())


def test_both_ways_render_the_same_view(original):
    photos, rays = random_photos(ring_cameras(1)), some_rays(RAYS_PER_CHUNK + 9)
    single = rays.map_tensors(lambda values: values[:1])
    ways = (Way(original, original), Way(original, OriginalRenderer(original)))
    ours, theirs = (way.view(photos, single, torch.autocast("cpu", enabled=False)) for way in ways)
    assert ours.shape == (RAYS_PER_CHUNK + 9, 3)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.fixture
def benchmark(monkeypatch, capsys, repository, tmp_path):
    root = write_nmr(tmp_path / "nmr", objects_per_split=2, views=6, size=16)
    values = compose_values("run_dir=unused", "dataset=nmr", f"dataset.root={root}", *TINY)
    torch.manual_seed(0)
    net = build_net(parse_config(ModelConfig, values["model"], "model"), load_pretrained=False)
    save_shared(tmp_path / "trained.safetensors", net, values, 5)

    def run(*changes):
        arguments = [
            *(f"model.{change}" for change in SMALL),
            *(f"original.{change}" for change in SMALL),
            "model.renderer.placement.samples=4",
            "dataset=nmr",
            f"dataset.root={root}",
            "dataset.categories=[airplane,chair]",
            *("scenes=1", "cells=[8,12]", "pixels=[8,16]"),
            "repeats=1",
            f"checkpoint={tmp_path / 'trained.safetensors'}",
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
    for count in ("1", "3"):
        for row in results["qualities"][count].values():
            assert all(row[f"{step}_seconds"] > 0 for step in ("encode", "view", "frame"))
            assert [len(objects) for objects in row["psnr"].values()] == [1, 1, 1]
        assert list(results["cells"][count]) == ["8", "12"]
    for name in ("training_step", "view"):
        measured = results[name]["float32"]
        assert measured["original"]["flops"] > measured["ours"]["flops"] > 0
        assert measured["ours"]["seconds"] > 0
    assert list(results["frames_per_second"]["2"]) == ["8", "16"]
    for line in ("training_step, float32", "exact", "12 wide", "threads=2"):
        assert line in printed.out
    assert (tmp_path / "out/bench.png").stat().st_size > 1000


def test_losses_are_those_of_each_object_at_each_size():
    assert losses({1: [20.0, 30.0], 2: [25.0, 35.0]}, {1: [21.0, 29.0], 2: [25.0, 35.5]}) == [1.0, -1.0, 0.0, 0.5]


def test_what_is_compared_takes_turns():
    turns = []
    works = {name: lambda mine=name: turns.append(mine) for name in ("ours", "original")}
    results = compare(works, 2)
    assert turns[2:] == ["ours", "original"] * 2
    assert results["ours"].keys() >= {"flops", "seconds"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("scenes=9", "wants 9 scenes"),
        ("checkpoint=missing.ckpt", "no such checkpoint"),
        ("original.lookup.mode=integrated", "lookup.mode=point"),
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
