"""The programs that are killed, cut short, and what they read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from differences import different_files, different_training
from moments import Moment, first_step, validating, writing_checkpoint, writing_log

REPOSITORY = Path(__file__).resolve().parents[2]
WEIGHTS = REPOSITORY / "weights/shapes13.safetensors"
LITTLE = {"categories": ("airplane", "car", "chair"), "objects": 10, "seen_train_objects": 6, "views": 8, "size": 32}
"""Of the built-in data. Views of an evaluation are 24, which its protocol names."""


@dataclass(frozen=True)
class Program:
    """What is run to write a folder, given one with data.

    Attributes:
        script: below the repository.
        arguments: from the folder of data, and the one that is written.
        difference: what differs between the folders of two finished runs; None if nothing.
        moments: when it may be killed; None is any moment.
    """

    script: str
    arguments: Callable[[Path, Path], list[str]]
    difference: Callable[[Path, Path], str | None]
    moments: tuple[Moment | None, ...] = (None,)


def training(data: Path, output: Path) -> list[str]:
    """Quickstart with little data, a checkpoint every three steps and three validations, without a limit in minutes."""
    return [
        "experiment=quickstart",
        "trainer.max_minutes=null",
        "trainer.max_steps=24",
        "trainer.validate_every=8",
        "trainer.checkpoint_every=3",
        "trainer.log_every=1",
        "trainer.loader.batch.objects=2",
        "trainer.loader.batch.rays=16",
        "trainer.loader.val_scenes=2",
        "trainer.accelerator=cpu",
        *composed("dataset.generator", LITTLE),
        f"dataset.root={data}",
        "resume=auto",
        f"hydra.run.dir={output}",
    ]


def refiner(data: Path, output: Path) -> list[str]:
    """Pairs of a few objects' views, and a few steps of a refiner on them."""
    return [
        "experiment=refine_codebook",
        "dataset=shapes13",
        f"dataset.root={data}",
        *composed("dataset.generator", LITTLE),
        f"checkpoint={WEIGHTS}",
        "pairs.input_views=1",
        "pairs.views=4",
        f"pairs.folder={output / 'pairs'}",
        "refiner.side=16",
        "refiner.overlap=4",
        "refiner.width=4",
        "refiner.halvings=2",
        "refiner.codes=16",
        "refiner.code_channels=4",
        "trainer.patches=2",
        "trainer.val_views=1",
        "trainer.max_steps=6",
        "trainer.validate_every=3",
        "trainer.checkpoint_every=3",
        "trainer.accelerator=cpu",
        "logger.mode=disabled",
        "resume=auto",
        f"hydra.run.dir={output}",
    ]


def evaluation(data: Path, output: Path) -> list[str]:
    """Baked views of three objects."""
    return [
        f"checkpoint={WEIGHTS}",
        "protocol=shapes13_unseen",
        "protocol.groups.seen.objects_per_category=1",
        "protocol.groups.seen.categories=[airplane,car]",
        "protocol.groups.unseen.categories=[chair]",
        "protocol.groups.unseen.objects_per_category=1",
        *composed("dataset.generator", LITTLE | {"views": 24}),
        f"dataset.root={data}",
        "quality=baked",
        "device=cpu",
        f"output={output}",
    ]


def shapes13(data: Path, output: Path) -> list[str]:
    """Thirty objects."""
    chosen = ["--categories", *LITTLE["categories"], "--objects", "10", "--seen-train", "6"]
    return [*chosen, "--views", "8", "--size", "32", "--workers", "2", "--root", str(output)]


def meshes(data: Path, output: Path) -> list[str]:
    """Solids."""
    return [str(data), str(output), "--size", "32", "--views", "8", "--workers", "2", "--seed", "3"]


def render(data: Path, output: Path) -> list[str]:
    """One photo; pages have their folder's name in them, so it is the same in all runs."""
    chosen = ["--size", "32", "--frames", "4", "--device", "cpu"]
    return ["render", str(data / "photo.png"), "--output", str(output / "photo"), *chosen]


def composed(prefix: str, values: dict[str, Any]) -> list[str]:
    """Overrides, as Hydra reads them."""
    texts = {key: f"[{','.join(value)}]" if isinstance(value, tuple) else value for key, value in values.items()}
    return [f"{prefix}.{key}={value}" for key, value in texts.items()]


def prepare(name: str, data: Path) -> None:
    """What a program reads."""
    data.mkdir()
    if name == "meshes":
        import trimesh

        for number in range(12):
            folder = data / ("ball", "box")[number % 2]
            folder.mkdir(exist_ok=True)
            solid = (trimesh.creation.icosphere(2), trimesh.creation.box((1, 2, 1)))[number % 2]
            solid.apply_scale(1 + number / 10)
            solid.export(folder / f"{number}.obj")
    elif name == "render":
        from PIL import Image, ImageDraw

        photo = Image.new("RGB", (128, 128), "white")
        ImageDraw.Draw(photo).ellipse([30, 40, 100, 90], fill="firebrick")
        photo.save(data / "photo.png")


WATCHED = (None, None, writing_checkpoint, validating, writing_log, first_step)
PROGRAMS = {
    "training": Program("train.py", training, different_training, WATCHED),
    "refiner": Program("train.py", refiner, different_training),
    "evaluation": Program("eval_fewshot.py", evaluation, different_files),
    "shapes13": Program("scripts/make_shapes13.py", shapes13, different_files),
    "meshes": Program("scripts/render_meshes.py", meshes, different_files),
    "render": Program("pixelnerf/app/cli.py", render, different_files),
}
