"""Lower floors never import higher ones, and frameworks stay on top."""

import ast
from collections.abc import Iterator

import pytest

FLOORS = (
    ("types", ("pixelnerf.types", "pixelnerf.errors", "pixelnerf.config", "pixelnerf.precision")),
    ("geometry", ("pixelnerf.geometry",)),
    ("model", ("pixelnerf.model", "pixelnerf.refine")),
    ("data", ("datasets",)),
    (
        "frameworks",
        ("pixelnerf.training", "pixelnerf.evaluation", "pixelnerf.benchmark", "pixelnerf.entry", "pixelnerf.process"),
    ),
    ("entry", ("train", "eval_fewshot", "scripts")),
)
FRAMEWORKS = {"hydra", "lightning", "omegaconf", "rich", "torchmetrics", "wandb"}
# The data module and progress bars of long reads and renders are the data floor's own use of a framework.
ALLOWED_BELOW = {("data", "lightning"), ("data", "rich")}


def floor_of(module: str) -> int | None:
    for index, (_, rooms) in enumerate(FLOORS):
        if any(module == room or module.startswith(room + ".") for room in rooms):
            return index
    return None


def imported_modules(source: str, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, also those inside functions; relative ones made absolute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: None if is_package else -1]
            base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            # `from pixelnerf import model` imports a room by its name.
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def upward_imports(source: str, module: str, is_package: bool = False) -> list[str]:
    own = floor_of(module)
    assert own is not None, f"{module} stands on no floor: add it to FLOORS"
    faults = []
    for line, imported in imported_modules(source, module, is_package):
        other = floor_of(imported)
        if other is not None and other > own:
            faults.append(f"{module}:{line} ({FLOORS[own][0]}) imports {imported} ({FLOORS[other][0]})")
        framework = imported.split(".")[0]
        if framework in FRAMEWORKS and own < 4 and (FLOORS[own][0], framework) not in ALLOWED_BELOW:
            faults.append(f"{module}:{line} ({FLOORS[own][0]}) imports the framework {framework}")
        if FLOORS[own][0] == "geometry" and imported.startswith("pixelnerf.config"):
            faults.append(f"{module}:{line} imports configuration; geometry is pure functions of tensors")
    return faults


def test_no_module_imports_upward(repository):
    files = [path for folder in ("pixelnerf", "datasets", "scripts") for path in (repository / folder).rglob("*.py")]
    files += [path for name in ("train.py", "eval_fewshot.py") if (path := repository / name).exists()]
    assert len(files) > 5
    faults = []
    for path in sorted(files):
        parts = path.relative_to(repository).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        if module != "pixelnerf":
            faults += upward_imports(path.read_text("utf-8"), module, is_package)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pixelnerf.geometry.rays", "from pixelnerf.model import net"),
        ("pixelnerf.geometry.rays", "import pixelnerf.training.module"),
        ("pixelnerf.geometry.rays", "from ..model.net import Net"),
        ("pixelnerf.geometry.rays", "from pixelnerf.config import Config"),
        ("pixelnerf.types", "def late():\n    from pixelnerf import geometry"),
        ("pixelnerf.model.net", "from datasets.scene import Scene"),
        ("pixelnerf.model.net", "import lightning"),
        ("datasets.nmr", "from pixelnerf.training import module"),
        ("pixelnerf.evaluation.report", "from scripts import make_shapes13"),
    ],
)
def test_an_upward_import_is_found(module, source):
    assert len(upward_imports(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pixelnerf.model.net", "from pixelnerf.geometry.rays import image_rays"),
        ("pixelnerf.model.net", "from .field import Field"),
        ("datasets.module", "import lightning"),
        ("train", "from pixelnerf.training import module"),
    ],
)
def test_a_downward_import_is_allowed(module, source):
    assert upward_imports(source, module) == []
