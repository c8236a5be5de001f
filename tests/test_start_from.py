import torch
from training_runs import compose_values

from pixelnerf.checkpoints.checkpoint import load_checkpoint, load_start
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.config import parse_config
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.net import build_net

SMALL = ("model.encoder.pretrained=false", "model.field.width=16", "model.encoder.stages=3")


def test_a_deeper_backbone_starts_as_the_same_function(tmp_path):
    values, nets = {}, {}
    for depth in (18, 34):
        torch.manual_seed(depth)
        changes = (*SMALL, f"model.encoder.backbone=resnet{depth}.tv_in1k")
        values[depth] = compose_values("run_dir=unused", "model=mip_pixelnerf", *changes)
        nets[depth] = build_net(parse_config(ModelConfig, values[depth]["model"], "model"))
    for layer in nets[18].modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # as trained ones: not identities
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.uniform_(layer.bias, -0.5, 0.5)
    path = tmp_path / "shallow.safetensors"
    save_shared(path, nets[18], values[18], 7)
    shallow = load_checkpoint(path).net  # float16, as in the file
    load_start(path, nets[34], "model", nets[34].config)
    photos = torch.rand(2, 3, 32, 32)
    for mode in (True, False):
        pyramids = [net.train(mode).encoder(photos) for net in (shallow, nets[34])]
        for expected, found in zip(*pyramids, strict=True):
            assert expected.std() > 0.01
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
