"""What can be known of other devices without one: nothing is made on, or brought back to, the CPU on the way."""

import ast
from pathlib import Path

import pytest

import pixelnerf

ROOMS = ("model", "geometry", "refine")
MAKERS = {
    "arange",
    "empty",
    "eye",
    "full",
    "linspace",
    "logspace",
    "ones",
    "rand",
    "randint",
    "randn",
    "tensor",
    "zeros",
}
# What their callers move, or read as plain numbers.
MOVED = {"pixel_centers", "blending_window", "_even_positions"}
# The march that is compiled for the CPU; other devices have `pixelnerf.model.baked.march`.
FOR_THE_CPU = "baked_march.py"
BRINGS_BACK = {"cpu", "numpy"}


def functions_of(path):
    """Every function of a file with its name; parameters made in `__init__` are moved by `Module.to`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__" and node.name not in MOVED:
            yield node


def files():
    root = Path(pixelnerf.__file__).parent
    found = [path for room in ROOMS for path in sorted((root / room).glob("*.py")) if path.name != FOR_THE_CPU]
    assert len(found) > 30
    return found


def calls(function):
    return [node for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]


def is_maker(call):
    return isinstance(call.func.value, ast.Name) and call.func.value.id == "torch" and call.func.attr in MAKERS


@pytest.mark.parametrize("path", files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_tensors_are_made_on_their_device(path):
    for function in functions_of(path):
        for call in filter(is_maker, calls(function)):
            places = {keyword.arg for keyword in call.keywords}
            assert "device" in places, f"{path}:{call.lineno}: {ast.unparse(call)}"


@pytest.mark.parametrize("path", files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_is_brought_back_to_the_cpu(path):
    for function in functions_of(path):
        for call in calls(function):
            assert call.func.attr not in BRINGS_BACK, f"{path}:{call.lineno}: {ast.unparse(call)}"
