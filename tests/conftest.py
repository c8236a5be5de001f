"""Fixtures for all tests. Shape annotations of the numerical layers are checked at run time while testing."""

from pathlib import Path

from jaxtyping import install_import_hook

# Before any other import of ours: a module that is already imported is no longer checked.
CHECKED = ["pixelnerf.types", "pixelnerf.geometry", "pixelnerf.model", "pixelnerf.refine"]
install_import_hook(CHECKED, "beartype.beartype")

import pytest  # noqa: E402  (the hook comes first)
import torch  # noqa: E402  (the hook comes first)

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
