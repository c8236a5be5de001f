"""The program itself, on a tiny real net: what a user types, and what each mistake says."""

import json
import runpy
import sys

import pytest
from ball_scene import write_nmr
from training_runs import tiny_config

from datasets.readers.nmr import NmrDataset
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.images.metrics import psnr, truncate_to_8_bits
from pixelnerf.model.image import render_image
from pixelnerf.model.net import build_net
from pixelnerf.scenes.photos import scene_photos
from pixelnerf.types import View


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_nmr(tmp_path_factory.mktemp("nmr"), objects_per_split=1, views=4, size=16)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, root):
    folder = tmp_path_factory.mktemp("run")
    config = tiny_config(folder, root)
    path = folder / "shared.safetensors"
    save_shared(path, build_net(config.model), config.model_dump(mode="json"), 5)
    return path


@pytest.fixture
def program(monkeypatch, capsys, repository, root, checkpoint, tmp_path):
    def run(*changes):
        arguments = {
            "checkpoint": checkpoint,
            "protocol": "shapenet_13",
            "protocol.groups.seen.categories": "[airplane,chair]",
            "dataset.root": root,
            "dataset.input_view_list": "src_views.txt",
            "output": tmp_path / "out",
            "device": "cpu",
        } | dict(change.split("=", 1) for change in changes)
        monkeypatch.setattr(sys, "argv", ["eval_fewshot.py", *(f"{key}={value}" for key, value in arguments.items())])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(repository / "eval_fewshot.py"), run_name="__main__")
        return stopped.value.code, capsys.readouterr()

    return run


def test_an_evaluation_writes_its_results(program, tmp_path, checkpoint, root):
    status, printed = program("dataset.pixel_center=0.0")
    assert status == 0
    assert "this model" in printed.out
    # As a converted checkpoint of the original needs it: not an alteration.
    assert "pixel_center" not in printed.out
    # The protocol was altered on the command line, so the paper's row stays out and the change is noted.
    assert "pixelNeRF" not in printed.out
    note = "altered (protocol.groups.seen.categories=[airplane,chair], dataset.input_view_list=src_views.txt), so"
    assert note in " ".join(printed.out.split())
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["rows"][0]["means"]["objects"] == 2
    assert metrics["published"] == []
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "resolved_protocol.json",
        "metrics.json",
        "objects",
        "per_object.csv",
        "pictures",
        "renders",
        "report.html",
        "scenes",
    }


def test_the_number_is_that_of_training(program, tmp_path, checkpoint, root):
    """Training's validation and the evaluation agree on the PSNR of the same views."""
    program()
    evaluated = json.loads((tmp_path / "out/metrics.json").read_text())["rows"][0]["categories"]
    config = tiny_config(tmp_path, root)
    net = load_checkpoint(checkpoint).net
    scene = NmrDataset(config.dataset).scenes("test", ["chair"])[0]
    features = net.encode(scene_photos(scene, [2]))
    values = []
    for view in (0, 1, 3):
        camera = scene.cameras()[view]
        background = scene.images([0]).new_tensor(scene.background)
        render = render_image(net, features, View(camera, scene.near, scene.far, background))
        values.append(psnr(truncate_to_8_bits(render.color), scene.images([view])[0].movedim(0, -1)))
    assert evaluated["chair"]["psnr"] == pytest.approx(sum(values) / 3, abs=1e-4)


def test_bfloat16_is_near_float32_and_noted(program, tmp_path):
    found = {}
    for precision in ("float32", "bfloat16"):
        status, _ = program(f"precision={precision}", f"output={tmp_path / precision}")
        assert status == 0
        metrics = json.loads((tmp_path / precision / "metrics.json").read_text())
        found[precision] = metrics["rows"][0]["means"]["psnr"]
        assert ("precision=bfloat16" in metrics["notes"]["protocol"]) == (precision == "bfloat16")
    # The same to the last bit would be float32 twice.
    assert 0 < abs(found["bfloat16"] - found["float32"]) < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("checkpoint=none.ckpt", "no such checkpoint: none.ckpt"),
        ("checkpoint=null", "set either checkpoint=PATH of a model or renders=FOLDER of pictures; neither is set"),
        ("renders=nowhere", "set either checkpoint=PATH of a model or renders=FOLDER of pictures; both are set"),
        ("shard=17/16", "config key 'shard' = '17/16': must be NUMBER/COUNT"),
        ("refiners=none.ckpt", "no such checkpoint: none.ckpt"),
        ("refiners=[none.ckpt,other.ckpt]", "no such checkpoint: none.ckpt"),
        ("protocol=shapenet_31", "unknown protocol 'shapenet_31'; did you mean 'shapenet_13'?"),
        ("protocol.groups.seen.categories=[chairs]", "unknown category 'chairs'; did you mean 'chair'?"),
        ("dataset.root=nowhere", "no data folder 'nowhere'"),
        ("protocol.downscales=[0]", "config key 'protocol.downscales.0' = 0"),
        ("protocol.downscal=1", "unknown config key 'protocol.downscal'; did you mean 'downscales'?"),
        ("device=abacus", "device=abacus cannot be used here"),
        ("precision=float16", "config key 'precision' = 'float16'"),
        ("rays_per_chunk=-1", "config key 'rays_per_chunk' = -1"),
    ],
)
def test_a_mistake_is_one_line(program, tmp_path, change, message):
    status, printed = program(change)
    assert status == 2
    assert printed.err.startswith(message)
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "out/metrics.json").exists()


def test_a_folder_that_cannot_be_written_is_one_line(program, tmp_path):
    (tmp_path / "file").touch()
    status, printed = program(f"output={tmp_path / 'file/out'}")
    assert status == 2
    assert printed.err.startswith(f"cannot write into output folder '{tmp_path / 'file/out'}'")
    assert printed.err.count("\n") == 1


def test_an_image_that_is_missing_is_one_line(program, root):
    path = root / "03001627/test0/image/0003.png"
    content = path.read_bytes()
    path.unlink()
    try:
        status, printed = program()
    finally:
        path.write_bytes(content)
    assert status == 2
    assert str(path) in printed.err.splitlines()[-1]
