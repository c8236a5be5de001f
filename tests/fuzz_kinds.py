"""Whole inputs of every kind that the programs read, small enough to be damaged by the thousand."""

import copy
import random
from functools import cache, partial
from pathlib import Path

import msgpack
import numpy as np
import torch
import trimesh
import yaml
from ball_scene import write_nmr
from builders import ring_cameras
from config_values import nmr_config
from dataset_checks import scenes_of
from dataset_layouts import (
    write_blender,
    write_colmap,
    write_dtu,
    write_llff,
    write_multicam,
    write_srn,
    write_transforms,
    write_two_objects,
)
from evaluation_builders import open_dataset, protocol_values
from fuzzing import Kind, damage_a_file, damaged_tree
from PIL import Image
from pydantic import TypeAdapter
from refiner_runs import TINY_MODEL
from refining import CODEBOOK, REFERENCE
from training_runs import compose_values

from datasets.meshes.materials import load_surface
from datasets.meshes.mesh_folder import find_meshes
from datasets.readers.nmr import NmrDataset
from pixelnerf.app.camera_path import CameraPath, read_camera_path, write_camera_path
from pixelnerf.checkpoints.checkpoint import load_checkpoint, load_refiner
from pixelnerf.checkpoints.original_mipnerf import read_flax_file
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.config import parse_config
from pixelnerf.entry import composed_values
from pixelnerf.errors import UserError
from pixelnerf.evaluation.protocol import ProtocolConfig, ResolvedProtocol, resolve
from pixelnerf.evaluation.renders import SavedRenders, render_file
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.net import build_net
from pixelnerf.model.pretrained import read_state_file
from pixelnerf.refine.config import RefinerConfig, build_refiner
from pixelnerf.scenes.scene import DamagedScenes

MESHES = ("obj", "ply", "ply_text", "glb", "gltf", "off", "stl", "stl_text")


def textured_box() -> trimesh.Trimesh:
    box = trimesh.creation.box()
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    material = trimesh.visual.material.SimpleMaterial(image=image)
    visual = trimesh.visual.TextureVisuals(uv=box.vertices[:, :2] + 0.5, material=material)
    return trimesh.Trimesh(box.vertices, box.faces, visual=visual, process=False)


def write_mesh(root: Path, kind: str) -> None:
    root.mkdir()
    suffix, _, text = kind.partition("_")
    mesh = textured_box()
    if suffix == "gltf":
        for name, content in trimesh.exchange.gltf.export_gltf(trimesh.Scene(mesh)).items():
            (root / name.replace("model", "a")).write_bytes(content)
    elif suffix == "ply":
        mesh.export(root / "a.ply", encoding="ascii" if text else "binary")
    else:
        mesh.export(root / f"a.{suffix}", **({"file_type": "stl_ascii"} if text else {}))


def read_mesh(root: Path) -> None:
    for mesh in find_meshes(root):
        load_surface(mesh.path)


# Once, in the process whose children read.
@cache
def model_parts() -> tuple[torch.nn.Module, dict, str]:
    values = compose_values("run_dir=unused", "dataset.root=unused", *TINY_MODEL)
    return build_net(parse_config(ModelConfig, values["model"], "model")), values, "model"


def refiner_parts(values: dict) -> tuple[torch.nn.Module, dict, str]:
    return build_refiner(TypeAdapter(RefinerConfig).validate_python(values)), {"refiner": values}, "refiner"


PARTS = {
    "model": model_parts,
    "codebook": lambda: refiner_parts({**CODEBOOK, "width": 4, "codes": 8}),
    "reference": lambda: refiner_parts({**REFERENCE, "width": 4}),
}


def write_checkpoint(root: Path, name: str, suffix: str, draw: random.Random | None = None) -> None:
    """Weights as training or `pixelnerf share` leaves them, with another value in their configuration if one draws."""
    root.mkdir(exist_ok=True)
    net, config, section = PARTS[name]()
    path = root / f"a.{suffix}"
    if draw is not None:
        changed = damaged_tree(draw, config[section])
        config = {**copy.deepcopy(config), section: changed} if draw.random() < 0.8 else damaged_tree(draw, config)
        path.unlink()
    if suffix == "safetensors":
        if isinstance(config, dict):
            save_shared(path, net, config, 5)
        else:
            path.write_bytes(b"")
    else:
        state = {f"net.{key}": tensor for key, tensor in net.state_dict().items()}
        if draw is not None and draw.random() < 0.3:
            state[draw.choice(list(state))] = draw.choice(
                [torch.zeros(1), torch.zeros(1).expand(10**6, 10**6), torch.tensor(torch.nan), "text", None]
            )
        torch.save({"config": config, "state_dict": state, "global_step": 5}, path)


def read_checkpoint(root: Path, name: str, suffix: str) -> None:
    (load_checkpoint if name == "model" else load_refiner)(root / f"a.{suffix}")


def checkpoint_kinds(name: str, suffix: str) -> dict[str, Kind]:
    write, read = (
        partial(write_checkpoint, name=name, suffix=suffix),
        partial(read_checkpoint, name=name, suffix=suffix),
    )
    return {
        f"{name}_{suffix}": Kind(write, read),
        f"{name}_{suffix}_config": Kind(write, read, lambda draw, root: write(root, draw=draw)),
    }


def write_state(root: Path) -> None:
    root.mkdir()
    torch.save({"weight": torch.zeros(3), "bias": torch.ones(2).half()}, root / "pixel_nerf_latest")


def write_flax(root: Path) -> None:
    root.mkdir()
    kernel = np.zeros((2, 3), np.float32)
    packed = msgpack.ExtType(1, msgpack.packb((kernel.shape, "float32", kernel.tobytes()), use_bin_type=True))
    tree = {"params": {"MLP_0": {"Dense_0": {"kernel": packed, "bias": packed}}}}
    (root / "checkpoint_1").write_bytes(msgpack.packb(tree, use_bin_type=True))


def write_path(root: Path) -> None:
    root.mkdir()
    write_camera_path(root / "camera_path.json", CameraPath(ring_cameras(3)[0], 24.0))


def write_renders(root: Path) -> None:
    write_nmr(root / "data", objects_per_split=1, views=4, size=16)
    for item in resolved(root, protocol_values()).items:
        for count, views in item.targets.items():
            for view in views:
                path = root / "renders" / render_file(item, count, view)
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (16, 16), (view, 0, 0)).save(path)


def resolved(root: Path, values: dict) -> ResolvedProtocol:
    protocol = parse_config(ProtocolConfig, values, "protocol")
    return resolve(protocol, open_dataset(root / "data"), DamagedScenes("raise"))


def read_renders(root: Path) -> None:
    found = resolved(root, protocol_values())
    saved = SavedRenders(root / "renders", found)
    for item in found.items:
        for count in item.targets:
            saved(item, count)


def write_protocol(root: Path) -> None:
    write_nmr(root / "data", objects_per_split=1, views=4, size=16)
    (root / "conf/protocol").mkdir(parents=True)
    (root / "conf/evaluation.yaml").write_text("defaults:\n  - protocol: tiny\n  - _self_\n")
    (root / "conf/protocol/tiny.yaml").write_text(yaml.safe_dump(protocol_values()))


def damage_protocol(draw: random.Random, root: Path) -> None:
    if draw.random() < 0.5:
        damage_a_file(draw, root, "conf/protocol")
        return
    path = root / "conf/protocol/tiny.yaml"
    content = yaml.safe_dump(damaged_tree(draw, yaml.safe_load(path.read_text())))
    path.unlink()
    path.write_text(content)


def read_protocol(root: Path) -> None:
    values = composed_values(root / "conf", "evaluation")
    if not isinstance(values.get("protocol"), dict):
        raise UserError("no protocol")
    resolved(root, values["protocol"])


LAYOUTS = {
    "srn": write_srn,
    "two_objects": write_two_objects,
    "blender": write_blender,
    "multicam": write_multicam,
    "dtu": write_dtu,
    "llff": write_llff,
    "transforms": write_transforms,
    "colmap": write_colmap,
}


def write_binary_colmap(root):
    import pycolmap

    write_colmap(root)
    pycolmap.Reconstruction(str(root / "sparse/0")).write_binary(str(root / "sparse/0"))


def look(scenes):
    for scene in scenes:
        for view in range(scene.num_views):
            scene.images([view])
            scene.masks([view])
        scene.sparse_points()


DATASETS = {
    **{name: Kind(write, lambda root, name=name: look(scenes_of(name, root))) for name, write in LAYOUTS.items()},
    "colmap_binary": Kind(write_binary_colmap, lambda root: look(scenes_of("colmap", root))),
    "nmr": Kind(
        lambda root: write_nmr(root, objects_per_split=1, categories=("02691156",), views=3, size=8),
        lambda root: look(NmrDataset(nmr_config(root, categories=["airplane"])).scenes("train")),
    ),
}

KINDS = {
    **DATASETS,
    **{f"mesh_{kind}": Kind(partial(write_mesh, kind=kind), read_mesh) for kind in MESHES},
    **{
        key: kind
        for name in PARTS
        for suffix in ("ckpt", "safetensors")
        for key, kind in checkpoint_kinds(name, suffix).items()
    },
    "original_pixelnerf": Kind(write_state, lambda root: read_state_file(root / "pixel_nerf_latest")),
    "original_mipnerf": Kind(write_flax, lambda root: read_flax_file(root / "checkpoint_1")),
    "camera_path": Kind(write_path, lambda root: read_camera_path(root / "camera_path.json")),
    "renders": Kind(write_renders, read_renders, partial(damage_a_file, folder="renders")),
    "protocol": Kind(write_protocol, read_protocol, damage_protocol),
}
