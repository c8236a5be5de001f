"""Renders a folder of meshes to a data set in the NMR or the SRN layout.

An object's views are a function of the configuration, its name and its mesh, so neither the number of workers nor an
interruption changes a byte.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from datasets.meshes import nmr_writer, srn_writer
from datasets.meshes.jobs import available_workers, run_jobs
from datasets.meshes.materials import load_surface
from datasets.meshes.mesh_folder import SPLITS, MeshFile, find_meshes, split_names
from datasets.meshes.provenance import only_writer, prepare_folder, write_provenance
from datasets.meshes.raycast import RayCaster
from datasets.meshes.rig import Rig, on_sphere, ring, spiral
from datasets.meshes.surface import Surface
from pixelnerf.config import Config, WrittenPath
from pixelnerf.errors import UserError

PROVENANCE = "render_meshes.json"
VERSION = 1

Distribution = Literal["ring", "sphere", "hemisphere", "spiral"]
Share = Annotated[float, Field(ge=0, le=1)]


class RenderConfig(Config):
    """What to render, and how.

    Objects are centred on their bounding box and, with `normalize`, scaled so that its longest side is 1. Angles are in
    degrees, distances in those units. Views of a sphere or hemisphere are drawn anew for each object; `test_views` and
    `test_distribution` stand in for the others on test objects where they are given. Objects are dealt to train, val
    and test by `shares`; a broken mesh stops the run, or is left out and reported.
    """

    meshes: WrittenPath
    root: WrittenPath
    layout: Literal["nmr", "srn"]
    size: int = Field(ge=8, le=4096)
    views: int = Field(ge=1, le=9999)
    distribution: Distribution
    test_views: int | None = Field(ge=1, le=9999)
    test_distribution: Distribution | None
    elevation: float = Field(gt=-90, lt=90)
    distance: float = Field(gt=0)
    field_of_view: float = Field(gt=0, lt=180)
    up: Literal["y", "z"]
    normalize: bool
    depth: bool
    shares: tuple[Share, Share, Share]
    seed: int = Field(ge=0)
    workers: int = Field(ge=0)
    on_error: Literal["raise", "skip"]

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> "RenderConfig":
        if abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"the shares of train, val and test sum to {sum(self.shares):g}, not 1")
        return self


@dataclass(frozen=True)
class RenderReport:
    """How many objects were rendered, and a line for each mesh that was left out."""

    rendered: int
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    config: RenderConfig
    mesh: MeshFile
    split: str

    @property
    def folder(self) -> Path:
        if self.config.layout == "srn":
            return self.config.root / f"{self.mesh.category}_{self.split}" / self.mesh.name
        return self.config.root / self.mesh.category / self.mesh.name

    def generator(self, purpose: str) -> np.random.Generator:
        name = f"{self.mesh.category}/{self.mesh.name}/{purpose}"
        return np.random.default_rng([self.config.seed, zlib.crc32(name.encode())])


def render_meshes(config: RenderConfig) -> RenderReport:
    """Renders what is missing, with a progress bar on stderr.

    Raises:
        UserError: no meshes, a folder that cannot be written or holds other data, or (with `on_error` = "raise") a mesh
            that cannot be read.
    """
    jobs = _jobs(config)
    values = config.model_dump(mode="json", exclude={"root", "workers", "on_error"})
    description = {"version": VERSION, **values, "meshes": str(config.meshes.resolve())}
    try:
        with only_writer(config.root / PROVENANCE):
            prepare_folder(config.root / PROVENANCE, {**description, "complete": False}, list(description))
            missing = [job for job in jobs if not job.folder.is_dir()]
            lines = run_jobs(_render, missing, config.workers or available_workers(), "rendering")
            failures = {job: line for job, line in zip(missing, lines, strict=True) if line is not None}
            done = [job for job in jobs if job not in failures]
            if config.layout == "nmr":
                _write_nmr_lists(config, done)
            write_provenance(config.root / PROVENANCE, {**description, "complete": True})
    except OSError as error:
        raise UserError(f"cannot write to '{config.root}': {error.strerror}; choose another folder") from None
    return RenderReport(len(done), tuple(failures.values()))


def _jobs(config: RenderConfig) -> list[_Job]:
    meshes = find_meshes(config.meshes)
    jobs = []
    for category in sorted({mesh.category for mesh in meshes}):
        members = {mesh.name: mesh for mesh in meshes if mesh.category == category}
        for split, names in split_names(list(members), category, config.shares, config.seed).items():
            jobs += [_Job(config, members[name], split) for name in names]
    return jobs


def _render(job: _Job) -> str | None:
    """Writes one object; returns why not if its mesh is broken and such meshes are skipped."""
    try:
        surface = load_surface(job.mesh.path, z_up=job.config.up == "z")
    except UserError as error:
        if job.config.on_error == "raise":
            raise UserError(f"{error}; on_error = skip leaves such meshes out") from None
        return str(error)
    caster = RayCaster(_placed(surface, job.config.normalize))
    rig, size = _rig(job), job.config.size
    views = caster.render(rig, size)
    if job.config.depth:
        views = replace(views, depths=caster.depth(rig, size))
    if job.config.layout == "srn":
        srn_writer.write_object(job.folder, views, rig)
    else:
        nmr_writer.write_object(job.folder, views, nmr_writer.camera_archive(rig))
    return None


def _placed(surface: Surface, normalize: bool) -> Surface:
    points = surface.triangles.reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 1 / (high - low).max() if normalize else 1.0
    return replace(surface, triangles=(surface.triangles - (low + high) / 2) * scale)


def _rig(job: _Job) -> Rig:
    config = job.config
    views, distribution = config.views, config.distribution
    if job.split == "test":
        views, distribution = config.test_views or views, config.test_distribution or distribution
    focal = float(1 / np.tan(np.radians(config.field_of_view / 2)))
    if distribution == "ring":
        return ring(views, config.elevation, config.distance, focal)
    if distribution == "spiral":
        return spiral(views, config.distance, focal)
    lowest = -90.0 if distribution == "sphere" else 0.0
    return on_sphere(views, lowest, config.distance, focal, job.generator("views"))


def _write_nmr_lists(config: RenderConfig, jobs: Sequence[_Job]) -> None:
    """Split lists of each category, and one random input view an object in `src_dvr.txt`."""
    for category in {job.mesh.category for job in jobs}:
        members = [job for job in jobs if job.mesh.category == category]
        splits = {split: [job.mesh.name for job in members if job.split == split] for split in SPLITS}
        nmr_writer.write_lists(config.root / category, "softras", splits)
    views = [int(job.generator("input").integers(len(_rig(job).poses))) for job in jobs]
    rows = [(job.mesh.category, job.mesh.name, view) for job, view in zip(jobs, views, strict=True)]
    nmr_writer.write_view_list(config.root / "src_dvr.txt", sorted(rows))
