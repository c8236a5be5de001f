"""Training with products in bfloat16, emulated where the CPU has none."""

import pytest
import torch
from ball_scene import write_nmr
from datasets_and_runs import train
from training_runs import tiny_config

from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.model.net import build_net


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gradients_are_clipped(tmp_path, precision):
    """Gradients far below Adam's epsilon move nothing; without the clip, the same run moves its layers."""
    data = write_nmr(tmp_path / "data", views=5, size=32)
    trained = []
    for clip in (1e-14, 1.0):
        run_dir = tmp_path / str(clip)
        options = (f"trainer.precision={precision}", f"trainer.gradient_clip={clip}")
        plain = ("trainer.optimizer.weight_decay=0", "trainer.max_steps=2", "trainer.checkpoint_every=1")
        config = tiny_config(run_dir, data, *options, *plain)
        train(config)
        trained.append(dict(load_checkpoint(run_dir / "checkpoints/last.ckpt").net.named_parameters()))
    torch.manual_seed(config.seed)
    start = dict(build_net(config.model).named_parameters())
    still, moved = trained
    for name in ("fields.0.density.weight", "projections.0.weight"):
        assert still[name].dtype == torch.float32
        torch.testing.assert_close(still[name], start[name], rtol=0, atol=1e-6)
        assert (moved[name] - start[name]).abs().max() > 1e-5
