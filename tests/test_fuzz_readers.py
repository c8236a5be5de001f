"""Damaged inputs of every kind: what was written is read, or refused in one line, within limits, and never changed.

A hundred inputs are tried, always the same; `FUZZ=10000 python -m pytest tests/test_fuzz_readers.py` tries more.
"""

import os

import pytest
from fuzz_kinds import KINDS
from fuzzing import problems_of

COUNT = int(os.environ.get("FUZZ", "100"))
BATCH = 250


@pytest.mark.parametrize("name", KINDS)
def test_damaged_inputs_are_read_or_refused(tmp_path, name):
    kind, whole = KINDS[name], tmp_path / "whole"
    kind.write(whole)
    kind.read(whole)
    seeds = range(-(-COUNT // len(KINDS)))
    folder = tmp_path / "damaged"
    folder.mkdir()
    for start in range(0, len(seeds), BATCH):
        problems = problems_of(name, whole, folder, seeds[start : start + BATCH])
        assert not problems, "\n".join(problems)
