"""Runs that share a folder of built-in data, as those of a sweep do: one makes it, and each reads its own objects."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from training_runs import compose_values

from datasets.meshes.provenance import only_writer
from datasets.registry import build_dataset, parse_dataset
from datasets.shapes13 import generate
from pixelnerf.errors import UserError

OBJECTS = ["dataset.generator.views=4", "dataset.generator.size=16", "dataset.generator.categories=[car,chair]"]


def dataset(root: Path, *changes: str):
    small = ["dataset=shapes13", f"dataset.root={root}", "dataset.categories=[car,chair]", *OBJECTS]
    sizes = ["dataset.generator.objects=3", "dataset.generator.hybrids=0", "dataset.generator.workers=1"]
    values = compose_values("run_dir=unused", *small, "dataset.train_categories=[car,chair]", *sizes, *changes)
    return parse_dataset(values["dataset"])


def names(config, split="train"):
    return [scene.name for scene in build_dataset(config).scenes(split)]


def generate_quietly(config) -> None:
    generate(config.generator)


def test_runs_that_start_at_once_make_a_folder_once(tmp_path):
    config = dataset(tmp_path / "shared", "dataset.generator.seen_train_objects=4")
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=generate_quietly, args=(config,)) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(120)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    alone = dataset(tmp_path / "alone", "dataset.generator.seen_train_objects=4")
    generate_quietly(alone)
    files = {path.relative_to(alone.root) for path in alone.root.rglob("*") if path.is_file()}
    assert files == {path.relative_to(config.root) for path in config.root.rglob("*") if path.is_file()}
    assert all((config.root / path).read_bytes() == (alone.root / path).read_bytes() for path in files)


def test_a_run_reads_its_own_objects_whatever_others_added(tmp_path):
    few = dataset(tmp_path, "dataset.generator.seen_train_objects=2")
    reader = build_dataset(few)
    expected = [scene.name for scene in reader.scenes("train")]
    assert len(expected) == 4
    generate(dataset(tmp_path, "dataset.generator.seen_train_objects=5").generator)
    assert [scene.name for scene in reader.scenes("train")] == expected
    assert len((tmp_path / "02958343/softras_train.lst").read_text().split()) == 5
    assert reader.scenes("test")[0].input_views() is not None


@pytest.mark.parametrize("prefix", ["softras", "gen"])
def test_a_run_reads_what_the_lists_in_the_folder_say(tmp_path, prefix):
    config = dataset(tmp_path, "dataset.generator.seen_train_objects=2", f"dataset.list_prefix={prefix}")
    generate_quietly(config)
    for split in ("train", "val", "test"):
        lists = [(synset, tmp_path / synset / f"{prefix}_{split}.lst") for synset in ("02958343", "03001627")]
        assert names(config, split) == [
            f"{synset}/{name}" for synset, path in lists for name in path.read_text().split()
        ]
    published = dict(line.rsplit(" ", 1) for line in (tmp_path / "src_dvr.txt").read_text().splitlines())
    for scene in build_dataset(config).scenes("test"):
        assert scene.input_views() == (int(published[scene.name.replace("/", " ")]),)


def test_a_waiting_run_says_so_and_goes_on_when_the_other_is_killed(tmp_path):
    held = f"""
import sys, time
from pathlib import Path
from datasets.meshes.provenance import only_writer
with only_writer(Path({str(tmp_path)!r}) / 'made.json'):
    print("held", flush=True)
    time.sleep(600)
"""
    holder = subprocess.Popen([sys.executable, "-c", held], stdout=subprocess.PIPE, text=True)
    waiting = "from pathlib import Path; from datasets.meshes.provenance import only_writer\n"
    waiting += f"with only_writer(Path({str(tmp_path)!r}) / 'made.json'): print('mine', flush=True)\n"
    try:
        assert holder.stdout.readline() == "held\n"
        waiter = subprocess.Popen(
            [sys.executable, "-c", waiting], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert "waiting for another run that writes into" in waiter.stderr.readline()
        assert waiter.poll() is None
        os.kill(holder.pid, signal.SIGKILL)
        assert waiter.communicate(timeout=60)[0] == "mine\n"
    finally:
        holder.kill()
        holder.wait()


def test_a_lock_is_free_again_after_the_block(tmp_path):
    started = time.monotonic()
    for _ in range(2):
        with only_writer(tmp_path / "made.json"):
            pass
    assert time.monotonic() - started < 5


def test_a_folder_of_something_else_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years")
    for _ in range(2):
        with pytest.raises(UserError, match="is not empty and holds no"):
            generate_quietly(dataset(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
