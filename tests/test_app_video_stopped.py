"""Ctrl-C while a video is written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
def test_ctrl_c_leaves_no_file_and_no_process(tmp_path):
    code = """
import itertools, signal, sys
from pathlib import Path
import numpy as np
from pixelnerf.app.video import video_writer

# A shell's background jobs ignore Ctrl-C, and their children with them.
signal.signal(signal.SIGINT, signal.default_int_handler)

def frames():
    for number in itertools.count():
        if number == 100:
            print("writing", flush=True)
        yield np.full((64, 64, 3), number % 256, np.uint8)

with video_writer(Path(sys.argv[1]) / "endless.mp4", 24) as write:
    for frame in frames():
        write(frame)
"""
    # A session, because Ctrl-C reaches the whole group of a terminal's processes.
    command, root = [sys.executable, "-c", code, str(tmp_path)], Path(__file__).parents[1]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=root,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"writing\n"
            assert processes_naming(tmp_path) > 1
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(timeout=60) == -signal.SIGINT
        finally:
            process.kill()
    assert not list(tmp_path.iterdir())
    deadline = time.monotonic() + 5
    while processes_naming(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_naming(tmp_path) == 0


def processes_naming(folder):
    """How many processes have the folder in their command."""
    count = 0
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += str(folder).encode() in command.read_bytes()
        except OSError:
            continue
    return count
