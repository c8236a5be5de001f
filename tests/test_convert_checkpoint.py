from functools import partial

import pytest
import torch
import yaml
from original_weights import original_state

from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.checkpoints.original_pixelnerf import convert_state, model_of_experiment
from pixelnerf.errors import UserError
from pixelnerf.model.net import Net, build_net


@pytest.fixture(scope="module")
def net(repository) -> Net:
    values = yaml.safe_load((repository / "conf/model/pixelnerf.yaml").read_text())
    return build_net(model_of_experiment(values, "srn"), load_pretrained=False)


def original_names(net: Net, blocks: int = 5, injections: int = 3) -> list[tuple[str, list[int]]]:
    """The names and shapes of the original's state dict, the encoder's read off a net of ours."""
    names = [
        (f"encoder.model.{name}", list(tensor.shape))
        for name, tensor in net.encoder.backbone.state_dict().items()
        if tensor.is_floating_point()
    ]
    names += [("encoder.model.layer4.0.conv1.weight", [512, 256, 3, 3]), ("encoder.model.fc.bias", [10])]
    for mlp in ("mlp_coarse", "mlp_fine"):
        layers = {"lin_in": [512, 42], "lin_out": [4, 512]}
        layers |= {f"blocks.{block}.fc_{part}": [512, 512] for block in range(blocks) for part in (0, 1)}
        layers |= {f"lin_z.{block}": [512, 512] for block in range(injections)}
        for layer, shape in layers.items():
            names += [(f"{mlp}.{layer}.weight", shape), (f"{mlp}.{layer}.bias", shape[:1])]
    return names


@pytest.fixture(scope="module")
def state(net):
    return original_state(original_names(net))


@pytest.fixture
def convert(run_script):
    return partial(run_script, "convert_checkpoint.py")


def test_a_converted_checkpoint_loads(convert, state, tmp_path):
    source, target = tmp_path / "pixel_nerf_latest", tmp_path / "ours.safetensors"
    torch.save(state, source)
    status, printed, errors = convert(source, target, "--experiment", "sn64", "--step", 7)
    assert status == 0, errors
    assert "pixel_center=0.0" in printed
    loaded = load_checkpoint(target)
    assert loaded.step == 7
    assert loaded.net.config.name == "pixelnerf"
    assert loaded.net.config.encoder.first_pool is False
    assert torch.equal(loaded.net.fields[1].blocks[4].second.weight, state["mlp_fine.blocks.4.fc_1.weight"])
    assert torch.equal(loaded.net.projections[0].weight[512:1024], state["mlp_coarse.lin_z.1.weight"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.pop("mlp_fine.lin_z.2.bias"), "missing: mlp_fine.lin_z.2.bias"),
        (lambda s: s.update({"global_encoder.fc.weight": torch.zeros(2)}), "left over: global_encoder.fc.weight"),
        (lambda s: s.update({"encoder.model.bn1.num_batches_tracked": torch.zeros(2)}), "shape: encoder.model.bn1.num"),
        (lambda s: s.update({"mlp_fine.lin_out.bias": torch.full((4,), torch.nan)}), r"not finite \(mlp_fine.lin_out"),
        (lambda s: s.update({"mlp_coarse.lin_in.bias": torch.zeros(9)}), "another shape: mlp_coarse.lin_in.bias"),
        (lambda s: s.update({"mlp_fine.lin_in.weight": torch.zeros(512, 39)}), "another shape: mlp_fine.lin_in.weight"),
        (lambda s: s.update({"code._freqs": torch.ones(1, 12, 1)}), "code._freqs"),
    ],
)
def test_every_tensor_is_accounted_for(net, state, change, expected):
    changed = dict(state)
    change(changed)
    with pytest.raises(UserError, match=expected) as caught:
        convert_state(changed, net, "pixel_nerf_latest")
    assert "\n" not in str(caught.value)


def test_half_precision_and_old_torch(convert, state, tmp_path):
    """Checkpoints as they are shared: halved to save space, or of a torch whose normalisation had no counters."""
    torch.save(state, tmp_path / "whole")
    halved = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(halved, tmp_path / "half")
    torch.save(old, tmp_path / "old", _use_new_zipfile_serialization=False)
    nets = {}
    for name in ("whole", "half", "old"):
        status, _, errors = convert(tmp_path / name, tmp_path / f"{name}.safetensors", "--experiment", "srn")
        assert (status, errors) == (0, "")
        nets[name] = load_checkpoint(tmp_path / f"{name}.safetensors").net.state_dict()
    for name, tensor in nets["whole"].items():
        assert torch.equal(nets["old"][name], tensor), name
        assert nets["half"][name].dtype == tensor.dtype, name
        torch.testing.assert_close(nets["half"][name], tensor, rtol=1e-3, atol=1e-6)


def test_a_mistake_is_one_line(convert, tmp_path):
    bad = tmp_path / "bad"
    bad.write_bytes(b"no state dict")
    for arguments in (
        (tmp_path / "nothing", tmp_path / "a.safetensors"),
        (bad, tmp_path / "a.safetensors"),
        (bad, tmp_path / "a.ckpt"),
    ):
        status, _, errors = convert(*arguments, "--experiment", "dtu")
        assert status == 2
        assert len(errors.strip().splitlines()) == 1
        assert str(tmp_path) in errors
    assert convert("--help")[0] == 0
