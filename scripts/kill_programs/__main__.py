"""Kills a program at random moments and checks that nothing is lost: `scripts/kill_programs training --kills 100`.

A run that is killed (SIGKILL, all of its processes) and started again by the same command until it ends must leave what
the unbroken run leaves. A training: weights, averaged weights and optimiser bit for bit, every validation, and the best
checkpoint. The others: the same files, byte for byte except for seconds.
"""

import argparse
import random
import shutil
import time
from collections import Counter
from pathlib import Path

from killing import ended, killed, load_programs, log_of, start
from programs import PROGRAMS, prepare

from pixelnerf.entry import run_plain


def main() -> None:
    """Prints where each kill hit and exits with 1 at the first difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("program", choices=sorted(PROGRAMS))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, help="emptied first; by default runs/killed_PROGRAM")
    arguments = parser.parse_args()
    program, draw = PROGRAMS[arguments.program], random.Random(arguments.seed)
    folder: Path = (arguments.folder or Path("runs") / f"killed_{arguments.program}").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    load_programs()
    data = folder / "data"
    if arguments.program not in ("shapes13", "training"):
        prepare(arguments.program, data)
    began = time.monotonic()
    whole = folder / "whole"
    if ended(start(program, data, whole), wait=True) != 0:
        raise SystemExit(f"the unbroken run failed; see {log_of(whole)}")
    duration = time.monotonic() - began
    print(f"unbroken: {duration:.0f} s", flush=True)
    hits: Counter[str] = Counter()
    runs = 0
    while sum(hits.values()) < arguments.kills:
        broken = folder / f"broken_{runs}"
        status = None
        kills = 0
        began = time.monotonic()
        while status is None:
            enough = sum(hits.values()) >= arguments.kills
            moment = None if enough else draw.choice(program.moments)
            delay = float("inf") if enough else draw.uniform(0, duration)
            status = killed(start(program, data, broken), broken, moment, delay, draw, hits)
            kills += status is None
        if kills == 0:
            # The first run also made its data.
            duration = time.monotonic() - began
        if status != 0:
            raise SystemExit(f"status {status} after {kills} kills; see {log_of(broken)}")
        if difference := program.difference(whole, broken):
            raise SystemExit(f"{broken} differs from the unbroken run after {kills} kills: {difference}")
        print(f"run {runs}: equal after {kills} kills", flush=True)
        shutil.rmtree(broken)
        runs += 1
    print(f"{sum(hits.values())} kills of {runs} runs, all equal: {dict(hits)}")


if __name__ == "__main__":
    run_plain(main)
