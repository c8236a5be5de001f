"""Places that `pixelnerf render` cannot write to: one line, and what was finished is kept."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from drawn_photos import draw_table
from PIL import Image

COMMAND = [sys.executable, "-m", "pixelnerf.app.cli", "render", "photo.png", "--size", "32", "--frames", "2"]


@contextmanager
def small_disk(folder, options):
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def photo(tmp_path):
    draw_table().save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def render(photo, *options, **environment):
    return subprocess.run(
        [*COMMAND, "--device", "cpu", *map(str, options)],
        cwd=photo.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def last_line(result):
    assert "Traceback" not in result.stderr
    return result.stderr.strip().splitlines()[-1]


def test_a_disk_that_fills_up_keeps_what_was_finished(tmp_path, photo):
    with small_disk(tmp_path / "disk", "size=100k") as disk:
        result = render(photo, "--output", disk / "out")
        assert result.returncode == 2
        assert last_line(result).endswith("No space left on device")
        pictures = [path for path in (disk / "out").rglob("*.png")]
        assert len(list((disk / "out/views").iterdir())) == 2
        for path in pictures:
            Image.open(path).load()
        assert (disk / "out/render.json").is_file()
        assert not list((disk / "out").rglob(".*"))
        # With room it goes on where it was refused.
        subprocess.run(["mount", "-o", "remount,size=3m", disk], check=True)
        assert render(photo, "--output", disk / "out").returncode == 0


def test_a_folder_that_is_only_read_is_refused_before_the_work(tmp_path, photo):
    with small_disk(tmp_path / "disk", "ro") as disk:
        result = render(photo, "--output", disk / "a/b")
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        last_line(result) == f"cannot write {disk}/a/b: Read-only file system; choose another folder: --output FOLDER"
    )


def test_a_full_disk_under_the_compiler_s_cache_costs_only_seconds(tmp_path, photo):
    with small_disk(tmp_path / "disk", "size=4k") as disk:
        (disk / "full").write_bytes(bytes(4096))
        result = render(photo, NUMBA_CACHE_DIR=str(disk), HOME=str(disk))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "photo/object.html").is_file()
