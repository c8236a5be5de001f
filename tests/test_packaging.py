"""What a stranger's fresh clone depends on."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import pixelnerf


def tracked_files(repository: Path) -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for name in listing.stdout.split("\0") if name and (path := repository / name).is_file()]


def test_datasets_is_ours_from_any_folder(repository, tmp_path):
    code = "import datasets, pathlib; print(pathlib.Path(datasets.__file__).resolve().parent)"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, f"install both first (pip install -e . -e ./datasets): {result.stderr}"
    assert Path(result.stdout.strip()) == repository / "datasets"


def test_the_readers_are_a_distribution_of_their_own(repository):
    """Beside Hugging Face's `datasets`, pixelnerf must not bring a package of that name."""
    ours = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))
    readers = tomllib.loads((repository / "datasets/pyproject.toml").read_text("utf-8"))
    rooms = {
        ".".join(path.parent.relative_to(repository).parts) for path in (repository / "pixelnerf").rglob("__init__.py")
    }
    assert set(ours["tool"]["setuptools"]["packages"]) == rooms | {"pixelnerf.conf", "pixelnerf.weights"}
    found = {
        ".".join(path.parent.relative_to(repository).parts) for path in (repository / "datasets").rglob("__init__.py")
    }
    assert set(readers["tool"]["setuptools"]["packages"]) == found
    assert readers["project"]["version"] == ours["project"]["version"]
    assert f"pixelnerf=={ours['project']['version']}" in readers["project"]["dependencies"]


def test_versions_agree(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    citation = yaml.safe_load((repository / "CITATION.cff").read_text("utf-8"))
    assert project["version"] == pixelnerf.__version__ == citation["version"]
    assert project["license"] == citation["license"] == "MIT"


def test_no_dependency_excludes_newer_versions(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        assert not re.search(r"<|==|~=|!=", requirement), requirement


def test_no_private_path_is_committed(repository):
    # A checkout at the root of a disk or in a folder of one letter has no telling path.
    own = [f"{folder}/" for folder in (repository, repository.parent, Path.home()) if len(str(folder)) > 3]
    private = re.compile("|".join([*map(re.escape, own), r"(?<![\w.~-])/(?:home|Users|root)/\w"]))
    own_file = Path(__file__).resolve()
    faults = []
    for path in tracked_files(repository):
        data = path.read_bytes()
        if b"\0" in data[:4096] or path == own_file:
            continue
        for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), start=1):
            if private.search(line):
                faults.append(f"{path.relative_to(repository)}:{number}: {line.strip()[:120]}")
    assert not faults, "\n".join(faults)


def test_every_make_target_of_the_readme_exists(repository):
    targets = set(re.findall(r"^([a-z]+):", (repository / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    named = set(
        re.findall(r"(?:^    |`)make ([a-z]+)\b", (repository / "README.md").read_text("utf-8"), flags=re.MULTILINE)
    )
    assert {"demo", "test"} <= named <= targets
