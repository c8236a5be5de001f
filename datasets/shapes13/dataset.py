"""Makes, renders and writes the objects of shapes13 in the NMR layout.

An object is a pure function of (seed, category, index), so the number of workers, an interruption, or a later growth
of the data set changes no byte of it. The first indices are the test objects, then come validation and training: a
larger training split leaves the others as they were.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator

from datasets.meshes.jobs import available_workers, run_jobs
from datasets.meshes.materials import painted_surface
from datasets.meshes.nmr_writer import camera_archive, write_lists, write_object, write_view_list
from datasets.meshes.provenance import only_writer, prepare_folder, read_provenance, write_provenance
from datasets.meshes.raycast import RayCaster
from datasets.meshes.rig import Rig, hand_held, ring
from datasets.shapes13.catalog import HYBRID, KINDS, make_mesh
from datasets.shapes13.config import Shapes13Config
from datasets.shapes13.contact_sheet import write_contact_sheet
from datasets.shapes13.textures import draw_lamp, draw_textures
from pixelnerf.errors import UserError

VERSION = 3
"""Grows when the same configuration gives other pictures, so that stale data are noticed."""

PROVENANCE = "shapes13.json"
PREFIXES = ("softras", "gen")
_KEYS_OF_AN_OBJECT = ("version", "seed", "size", "views", "rig", "textures", "light")
_UNSAID = {"hybrids": 0, "rig": "ring", "textures": False, "light": "studio"}
"""Values that are not written down, so that folders from before there was a choice stay complete."""

# What is drawn for an object beside its shape, as the last number of the seed.
_INPUT_VIEW, _TEXTURES, _CAMERAS, _LAMP = 1, 2, 3, 4


@dataclass(frozen=True)
class _Job:
    config: Shapes13Config
    category: str
    index: int

    @property
    def synset(self) -> str:
        return self.config.synsets[self.category]

    @property
    def folder(self) -> Path:
        return self.config.root / self.synset / _object_name(self.index)

    def generator(self, purpose: int) -> Generator:
        return np.random.default_rng([self.config.seed, int(self.synset), self.index, purpose])


def generate(config: Shapes13Config) -> None:
    """Writes the data set, or what is missing of it, with a progress bar on stderr.

    Of several runs that write into one folder, as those of a sweep do, one writes and the others wait.

    Raises:
        UserError: the folder cannot be written, or holds objects of another seed, size or number of views.
    """
    if is_complete(config.root, config):
        return
    try:
        with only_writer(config.root / PROVENANCE):
            if not is_complete(config.root, config):
                _write_missing(config)
    except OSError as error:
        raise UserError(f"cannot write shapes13 to '{config.root}': {error.strerror}; choose another folder") from None


def _write_missing(config: Shapes13Config) -> None:
    prepare_folder(config.root / PROVENANCE, _describe(config, complete=False), _KEYS_OF_AN_OBJECT, _UNSAID)
    jobs = [
        _Job(config, category, index)
        for category in _kinds(config)
        for names in split_indices(category, config).values()
        for index in names
    ]
    missing = [job for job in jobs if not job.folder.is_dir()]
    run_jobs(_render_object, missing, config.workers or available_workers(), "shapes13")
    _write_lists(config)
    write_contact_sheet(config.root, {kind: config.synsets[kind] for kind in _kinds(config)})
    write_provenance(config.root / PROVENANCE, _describe(config, complete=True))


def is_complete(root: Path, config: Shapes13Config) -> bool:
    """Whether the folder holds all that the configuration asks for, by its provenance file."""
    return read_provenance(root / PROVENANCE) == _describe(config, complete=True)


def split_indices(category: str, config: Shapes13Config) -> dict[str, range]:
    """The objects' indices in each split; hybrids are for training alone."""
    if category == HYBRID:
        return {"train": range(config.hybrids), "val": range(0), "test": range(0)}
    test = max(1, config.objects // 5)
    val = max(1, config.objects // 10)
    train = config.seen_train_objects if KINDS[category].seen else config.objects - test - val
    return {
        "train": range(test + val, test + val + train),
        "val": range(test, test + val),
        "test": range(test),
    }


def _kinds(config: Shapes13Config) -> tuple[str, ...]:
    return (*config.categories, HYBRID) if config.hybrids else config.categories


def _object_name(index: int) -> str:
    return f"{index:05d}"


def _describe(config: Shapes13Config, complete: bool) -> dict:
    values = config.model_dump(mode="json", exclude={"root", "synsets", "workers"})
    said = {key: value for key, value in values.items() if key not in _UNSAID or value != _UNSAID[key]}
    return {"version": VERSION, "complete": complete, **said}


@cache
def _shared_cameras(views: int) -> tuple[Rig, bytes]:
    rig = ring(views)
    return rig, camera_archive(rig)


def _render_object(job: _Job) -> None:
    config = job.config
    mesh = make_mesh(job.category, job.synset, job.index, config.seed)
    if config.rig == "ring":
        rig, cameras = _shared_cameras(config.views)
    else:
        radius = float(np.linalg.norm(mesh.vertices, axis=-1).max())
        rig = hand_held(config.views, radius, job.generator(_CAMERAS))
        cameras = camera_archive(rig)
    patches, solid = draw_textures(mesh, job.generator(_TEXTURES)) if config.textures else (None, None)
    lamp = draw_lamp(job.generator(_LAMP)) if config.light == "varied" else None
    caster = RayCaster(painted_surface(mesh, patches, solid), lamp)
    write_object(job.folder, caster.render(rig, config.size), cameras)


def split_objects(category: str, config: Shapes13Config, prefix: str) -> dict[str, list[str]]:
    """A category's objects by split, as its lists `<prefix>_<split>.lst` have them.

    The protocol of unseen categories ("gen") tests on all categories, and trains on the seen ones only.
    """
    indices = split_indices(category, config)
    if prefix == "gen" and not KINDS[category].seen:
        indices = {"test": indices["test"]}
    return {split: [_object_name(index) for index in members] for split, members in indices.items()}


def input_views(config: Shapes13Config) -> dict[tuple[str, str], int]:
    """The evaluation's input view of each object, by its synset and its name."""
    return {
        (config.synsets[category], _object_name(index)): _input_view(config, config.synsets[category], index)
        for category in _kinds(config)
        for members in split_indices(category, config).values()
        for index in members
    }


def _write_lists(config: Shapes13Config) -> None:
    """The split lists of both protocols, and each object's input view, for any program that reads the layout."""
    for category in _kinds(config):
        for prefix in PREFIXES:
            folder = config.root / config.synsets[category]
            write_lists(folder, prefix, split_objects(category, config, prefix))
    rows = [(synset, name, view) for (synset, name), view in input_views(config).items()]
    write_view_list(config.root / "src_dvr.txt", sorted(rows))


def _input_view(config: Shapes13Config, synset: str, index: int) -> int:
    return int(np.random.default_rng([config.seed, int(synset), index, _INPUT_VIEW]).integers(config.views))
