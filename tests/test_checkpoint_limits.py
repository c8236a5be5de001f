"""Weights that someone else made: nothing in them runs, opens a path, or takes more memory than the file's own size."""

import copy
import hashlib
import json
import pickle
import zipfile

import pytest
import safetensors.torch
import torch
from training_runs import REPOSITORY

import pixelnerf
from pixelnerf.checkpoints.checkpoint import load_checkpoint, load_refiner
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.errors import UserError


@pytest.fixture(scope="module")
def good():
    return load_checkpoint(REPOSITORY / "weights/shapes13_all.safetensors")


def hostile(path, good, change):
    """Shared weights whose configuration was changed, and whose hash is right."""
    config = copy.deepcopy(good.config)
    change(config)
    save_shared(path, good.net, config, good.step)
    return path


def lightning(path, good, **changes):
    """A `.ckpt` with something else in it."""
    state = {f"net.{name}": tensor for name, tensor in good.net.state_dict().items()}
    torch.save({"config": good.config, "state_dict": state, "global_step": 1, **changes}, path)
    return path


def refusal(path, read=load_checkpoint):
    with pytest.raises(UserError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_both_kinds_of_file_are_read(tmp_path, good):
    for path in (hostile(tmp_path / "a.safetensors", good, lambda config: None), lightning(tmp_path / "a.ckpt", good)):
        again = load_checkpoint(path).net.state_dict()
        for name, tensor in good.net.state_dict().items():
            assert torch.equal(tensor, again[name]), name


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("field", "width", 10**9),
        ("field", "blocks", 10**9),
        ("encoder", "thin_channels", 10**12),
        ("position", "min_degree", -(10**9)),
        ("renderer", "coarse_samples", 10**9),
    ],
)
def test_absurd_numbers_are_refused_before_anything_is_built(tmp_path, good, section, key, value):
    path = hostile(tmp_path / "a.safetensors", good, lambda config: config["model"][section].update({key: value}))
    assert f"{abs(value)} in its configuration" in refusal(path)


@pytest.mark.parametrize(("key", "value"), [("width", 20_000), ("blocks", 200)])
def test_a_large_net_without_its_weights_takes_no_memory(tmp_path, good, key, value):
    path = hostile(tmp_path / "a.safetensors", good, lambda config: config["model"]["field"].update({key: value}))
    assert "do not fit its configuration" in refusal(path)


@pytest.mark.parametrize("backbone", ["hf-hub:somebody/resnet34", "local-dir:net", "os.system", "../resnet34", ""])
def test_a_backbone_names_no_place_and_no_code(tmp_path, good, backbone):
    path = hostile(
        tmp_path / "a.safetensors", good, lambda config: config["model"]["encoder"].update(backbone=backbone)
    )
    assert "unknown model.encoder.backbone" in refusal(path)


def test_paths_in_a_configuration_are_not_opened(tmp_path, good):
    path = tmp_path / "a.ckpt"
    config = copy.deepcopy(good.config)
    config["model"]["encoder"] |= {"pretrained": True, "weights": str(tmp_path / "none.pt")}
    load_checkpoint(lightning(path, good, config=config))


@pytest.mark.parametrize("key", ["_target_", "__class__", "_partial_"])
def test_a_configuration_names_no_code(tmp_path, good, key):
    path = hostile(tmp_path / "a.safetensors", good, lambda config: config["model"].update({key: "os.system"}))
    assert f"unknown config key '{path}: model.{key}'" in refusal(path)


def test_damage_that_only_the_program_sees(tmp_path, good):
    state = good.net.state_dict()
    name = next(name for name, tensor in state.items() if tensor.is_floating_point() and tensor.dim() > 1)
    shape = state[name].shape
    for number, (tensor, message) in enumerate(
        [
            (torch.zeros(1, 1).expand(10**7, 10**7), "larger than the file"),
            (torch.empty(shape, device="meta"), "not plain numbers"),
            (torch.zeros(shape).to_sparse(), "not plain numbers"),
            (torch.zeros(shape, dtype=torch.complex64), "not plain numbers"),
            ("text", "not plain numbers"),
            (torch.full(shape, torch.nan), f"not finite ({name})"),
            (torch.zeros(3), f"{name} is [3] for {list(shape)}"),
        ]
    ):
        changed = {f"net.{key}": value for key, value in state.items()} | {f"net.{name}": tensor}
        assert message in refusal(lightning(tmp_path / f"{number}.ckpt", good, state_dict=changed)), message


@pytest.mark.parametrize(
    "changes", [{"config": [1]}, {"config": {"dataset": {"parts": 3}}}, {"config": {}}, {"config": {"model": "x"}}]
)
def test_what_is_no_configuration_is_a_line(tmp_path, good, changes):
    assert "a.ckpt" in refusal(lightning(tmp_path / "a.ckpt", good, **changes))


@pytest.mark.parametrize("changes", [{"state_dict": [1]}, {"state_dict": {1: 2}}, {"global_step": "many"}])
def test_what_is_no_state_is_a_line(tmp_path, good, changes):
    assert "is not a checkpoint of this program" in refusal(lightning(tmp_path / "a.ckpt", good, **changes))


def test_archives_that_grow_and_old_pickles_are_not_read(tmp_path, good):
    plain, grown = lightning(tmp_path / "a.ckpt", good), tmp_path / "grown.ckpt"
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(grown, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            target.writestr(part.filename, b"\0" * max(part.file_size, 10**6))
    assert "is compressed" in refusal(grown)
    old = tmp_path / "old.ckpt"
    torch.save({"config": {}, "state_dict": {}}, old, _use_new_zipfile_serialization=False)
    assert "is not a readable checkpoint" in refusal(old)
    old.write_bytes(pickle.dumps({"config": {}}))
    assert "is not a readable checkpoint" in refusal(old, load_refiner)


@pytest.mark.parametrize("config", ["{", "[" * 10**5, "[]", '"model"'])
def test_metadata_that_is_no_configuration_is_a_line(tmp_path, config):
    path, state = tmp_path / "a.safetensors", {"a": torch.zeros(1)}
    digest = _digest(state, config)
    safetensors.torch.save_file(state, path, {"config": config, "step": "0", "sha256": digest})
    assert "is not a checkpoint of this program" in refusal(path)
    safetensors.torch.save_file(state, path, {"config": "{}", "step": "many", "sha256": _digest(state, "{}")})
    assert "is not a checkpoint of this program" in refusal(path)


def test_a_header_that_promises_more_than_the_file_holds_is_a_line(tmp_path):
    path = tmp_path / "a.safetensors"
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    assert "is not a readable safetensors file" in refusal(path)
    path.write_bytes((2**62).to_bytes(8, "little") + header)
    assert "is not a readable safetensors file" in refusal(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.pop("trainer"),
        lambda config: config["trainer"]["loader"]["batch"].update(source_views=["many"]),
        lambda config: config["dataset"].pop("near"),
        lambda config: config["dataset"].update(near="here"),
        lambda config: config["dataset"].update(far=float("inf")),
        lambda config: config.update(dataset="shapes13"),
    ],
)
def test_weights_that_do_not_say_how_they_were_trained_are_refused(tmp_path, good, change):
    path = hostile(tmp_path / "a.safetensors", good, change)
    message = refusal(path, pixelnerf.load)
    assert "do not say how they were trained" in message


def _digest(state, config):
    """As the format has it: the configuration, then each tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(config.encode())
    for name in sorted(state):
        digest.update(f"{name} {state[name].dtype} {tuple(state[name].shape)}".encode())
        digest.update(state[name].numpy().tobytes())
    return digest.hexdigest()
