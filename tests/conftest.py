"""Fixtures for all tests. Shape annotations of the numerical layers are checked at run time while testing."""

import os
import runpy
import shutil
import sys
from pathlib import Path

from jaxtyping import install_import_hook

# Before any other import of ours: a module that is already imported is no longer checked.
CHECKED = ["pixelnerf.types", "pixelnerf.geometry", "pixelnerf.model", "pixelnerf.refine"]
install_import_hook(CHECKED, "beartype.beartype")

import pytest  # noqa: E402  (the hook comes first)
import torch  # noqa: E402  (the hook comes first)
from ball_scene import write_nmr  # noqa: E402  (the hook comes first)
from textured_room import write_room  # noqa: E402  (the hook comes first)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True, scope="session")
def single_thread():
    """One thread a worker: tests run in parallel, and sums must not depend on the number of threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root folder."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """Real data and golden outputs that lie beside some checkouts; tests that need them skip elsewhere."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no data folder {folder}")
    return folder


@pytest.fixture(scope="session")
def nmr_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset in the NMR layout, to read from only."""
    return write_nmr(tmp_path_factory.mktemp("nmr"), objects_per_split=2, views=6, size=16)


@pytest.fixture(scope="session")
def room_photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos of the textured room, to copy from only."""
    return sorted((write_room(tmp_path_factory.mktemp("room")) / "images").iterdir())


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A file where a run's checkpoint would be, for code that does not open it."""
    path = tmp_path / "run/checkpoints/best.ckpt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"stands for a checkpoint")
    return path


@pytest.fixture
def run_script(monkeypatch, capsys):
    """Runs a script of ours in this process: exit status, what it printed, and its error output."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(REPOSITORY / "scripts" / name), run_name="__main__")
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def chromium():
    """A function that starts a browser with extra flags; the browsers are closed at the end."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra `dev`)")
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is on the PATH, and CHROMIUM names none")
    with sync_api.sync_playwright() as playwright:
        browsers = []

        def start(flags):
            browsers.append(playwright.chromium.launch(executable_path=executable, args=flags))
            return browsers[-1]

        yield start
        for browser in browsers:
            browser.close()
