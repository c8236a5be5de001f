"""Shards of an evaluation: in any order, and at once, they end in the files of the whole."""

import itertools
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from ball_scene import write_nmr
from evaluation_builders import constant_net, dataset_values, protocol_values, row, run_fake, run_values
from training_runs import tiny_config

from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.errors import UserError
from pixelnerf.evaluation.evaluator import Evaluator
from pixelnerf.evaluation.shard import Shard, device_of_process, parse_shard, shard_of_process
from pixelnerf.model.net import build_net
from pixelnerf.scenes import rendering

RESULTS = ("metrics.json", "per_object.csv", "resolved_protocol.json")


@pytest.fixture
def stopped_clock(monkeypatch):
    """Seconds a view are the only numbers that two evaluations do not share."""
    monkeypatch.setattr(rendering, "time", SimpleNamespace(perf_counter=lambda: 0.0))


def contents(folder):
    return {name: (folder / name).read_bytes() for name in RESULTS}


def run_shard(root, output, checkpoint, shard, value=0.9, **changes):
    values = {"checkpoint": checkpoint, "dataset": dataset_values(root), "protocol": protocol_values(), **changes}
    return run_values(constant_net(value), output=output, shard=shard, **values)


@pytest.mark.parametrize("order", itertools.permutations(("1/3", "2/3", "3/3")))
def test_shards_in_any_order_are_the_whole(stopped_clock, nmr_root, checkpoint, tmp_path, order):
    run_fake(constant_net(0.9), nmr_root, tmp_path / "whole", checkpoint)
    *first, last = (run_shard(nmr_root, tmp_path / "parts", checkpoint, shard) for shard in order)
    assert all(result.results is None for result in first)
    assert first[0].waiting.startswith(f"shard {order[0]} is done, and ")
    assert last.results is not None
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    renders = {path.relative_to(tmp_path / "parts") for path in (tmp_path / "parts/renders").rglob("*.png")}
    assert renders == {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole/renders").rglob("*.png")}


def test_an_interrupted_shard_goes_on_and_measures_only_its_own(monkeypatch, nmr_root, checkpoint, tmp_path):
    evaluate, evaluated = Evaluator.evaluate, []

    def interrupted(self, item):
        if len(evaluated) == 1:
            raise KeyboardInterrupt
        evaluated.append(item.scene.name)
        return evaluate(self, item)

    run_shard(nmr_root, tmp_path, checkpoint, "1/2")
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt, match="3 of 4 scenes are done"):
            run_shard(nmr_root, tmp_path, checkpoint, "2/2")
    assert not (tmp_path / "metrics.json").exists()
    resumed = run_shard(nmr_root, tmp_path, checkpoint, "2/2")
    assert row(resumed, "unseen", 1).means.objects == 2


def test_a_killed_process_leaves_nothing_half_written(nmr_root, checkpoint, tmp_path):
    run_shard(nmr_root, tmp_path, checkpoint, "1/2")
    for folder in (tmp_path / "scenes", next((tmp_path / "renders").rglob("*.png")).parent):
        (folder / ".partial-abc").write_bytes(b"half")
    run_shard(nmr_root, tmp_path, checkpoint, "2/2")
    assert not list(tmp_path.rglob(".partial-*"))


def test_results_of_other_weights_are_never_merged(nmr_root, checkpoint, tmp_path):
    run_shard(nmr_root, tmp_path, checkpoint, "1/2")
    checkpoint.write_bytes(b"other weights")
    second = run_shard(nmr_root, tmp_path, checkpoint, "2/2", value=0.5)
    assert second.results is None
    assert "2 of 4 scenes of all shards, 2 only under other weights, settings or versions" in second.waiting
    assert not (tmp_path / "metrics.json").exists()
    merged = run_shard(nmr_root, tmp_path, checkpoint, "1/2", value=0.5)
    whole = run_fake(constant_net(0.5), nmr_root, tmp_path / "whole", checkpoint)
    assert row(merged, "seen", 1).means.psnr == row(whole, "seen", 1).means.psnr


def test_a_damaged_scene_of_one_shard_is_in_the_note_of_all(stopped_clock, checkpoint, tmp_path):
    root = write_nmr(tmp_path / "nmr", objects_per_split=2, views=6, size=16)
    (root / "02691156/test0/image/0001.png").write_bytes(b"no image")
    skipping = {**dataset_values(root), "on_error": "skip"}
    whole = run_fake(constant_net(0.9), root, tmp_path / "whole", checkpoint, "skip")
    assert whole.results.notes["damaged"].startswith("scenes left out as damaged: 1,")
    for shard in ("1/4", "2/4", "3/4", "4/4"):
        run_shard(root, tmp_path / "parts", checkpoint, shard, dataset=skipping)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_more_shards_than_scenes(nmr_root, checkpoint, tmp_path):
    results = [run_shard(nmr_root, tmp_path, checkpoint, f"{number}/6") for number in range(1, 7)]
    assert [result.results is not None for result in results] == [False] * 3 + [True] * 3


@pytest.mark.parametrize("count", [1, 3, 7])
def test_every_scene_is_in_one_shard(count):
    for index in range(20):
        assert sum(Shard(number, count).holds(index) for number in range(1, count + 1)) == 1


@pytest.mark.parametrize("written", ["0/4", "5/4", "1/0", "3", "a/b", "1/2/3", "-1/4", ""])
def test_no_shard_is_refused(written):
    with pytest.raises(ValueError, match="NUMBER/COUNT"):
        parse_shard(written)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Shard(1, 1)),
        ({"RANK": "2", "WORLD_SIZE": "16"}, Shard(3, 16)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, Shard(1, 2)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, Shard(1, 1)),
        ({"RANK": "1", "WORLD_SIZE": "2", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, Shard(2, 2)),
        ({"RANK": "1"}, Shard(1, 1)),
    ],
)
def test_ranks_of_torchrun_and_slurm(environment, expected):
    assert shard_of_process(environment) == expected


@pytest.mark.parametrize("rank", ["4", "-1", "x"])
def test_a_rank_that_is_none_is_one_line(rank):
    with pytest.raises(UserError, match=rf"RANK={rank} and WORLD_SIZE=4 are no rank; set shard="):
        shard_of_process({"RANK": rank, "WORLD_SIZE": "4"})


def test_a_device_that_was_named_is_kept():
    assert device_of_process("cuda:1", {"LOCAL_RANK": "0"}) == "cuda:1"
    assert device_of_process("auto", {}) == "auto"


def test_two_processes_at_once_are_the_whole(repository, tmp_path):
    """As torchrun starts them; afterwards the whole, which measures nothing anew, writes the same numbers."""
    root = write_nmr(tmp_path / "nmr", objects_per_split=2, views=4, size=16)
    config = tiny_config(tmp_path, root)
    save_shared(tmp_path / "net.safetensors", build_net(config.model), config.model_dump(mode="json"), 5)

    def start(output, **environment):
        arguments = [
            f"checkpoint={tmp_path / 'net.safetensors'}",
            "protocol=shapenet_13",
            "protocol.groups.seen.categories=[airplane,chair]",
            f"dataset.root={root}",
            "dataset.input_view_list=src_views.txt",
            f"output={output}",
            "device=cpu",
        ]
        command = [sys.executable, str(repository / "eval_fewshot.py"), *arguments]
        return subprocess.Popen(
            command,
            cwd=repository,
            env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    shards = [start(tmp_path / "parts", RANK=str(rank), WORLD_SIZE="2") for rank in range(2)]
    printed = [process.communicate(timeout=300)[0] for process in shards]
    assert [process.returncode for process in shards] == [0, 0], printed
    assert any("this model" in text for text in printed)
    metrics = (tmp_path / "parts/metrics.json").read_bytes()
    again, fresh = start(tmp_path / "parts"), start(tmp_path / "fresh")
    for process in (again, fresh):
        printed = process.communicate(timeout=300)[0]
        assert process.returncode == 0, printed
    assert (tmp_path / "parts/metrics.json").read_bytes() == metrics

    def scores(folder):
        found = json.loads((folder / "metrics.json").read_text())["rows"]
        return [{**line["means"], "seconds": None} for line in found]

    assert scores(tmp_path / "parts") == scores(tmp_path / "fresh")
