"""Every example in a docstring runs; those of the public names also stand in the pages, where Sphinx runs them."""

import doctest
import importlib
from pathlib import Path

import pytest
from training_runs import REPOSITORY


def modules_with_examples():
    for package in ("pixelnerf", "datasets"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            if ">>> " in path.read_text("utf-8"):
                yield ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_of_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted
    assert not outcome.failed
    assert not any(Path().iterdir())
