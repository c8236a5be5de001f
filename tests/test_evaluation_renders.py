"""Scoring saved renders of any method: what fits, and what each mistake says."""

import json
from dataclasses import replace

import numpy as np
import pytest
from evaluation_builders import constant_net, dataset_values, protocol_values, run_fake, run_values
from PIL import Image

from pixelnerf.errors import UserError

SCORES = ("psnr", "ssim", "lpips", "sharpness", "objects")


@pytest.fixture
def renders(nmr_root, checkpoint, tmp_path):
    """What our own evaluation writes, of a net whose pictures have a hue and a gradient."""
    net = constant_net(0.0)
    net.colors = lambda rays: (0.5 + rays.directions * rays.directions.new_tensor([0.4, 0.9, 0.7])).clamp(0, 1)
    run_fake(net, nmr_root, tmp_path / "own", checkpoint)
    return tmp_path / "own/renders"


def score(root, renders, output, **changes):
    values = {"protocol": protocol_values(), "dataset": dataset_values(root), "rays_per_chunk": None, **changes}
    return run_values(None, renders=renders, output=output, **values)


def rows(folder):
    return json.loads((folder / "metrics.json").read_text())["rows"]


def own_scores(rows, kind):
    plain = [line for line in rows if line["kind"] == kind]
    return [{key: line["means"][key] for key in SCORES} for line in plain]


def test_our_own_renders_reproduce_their_numbers(nmr_root, renders, tmp_path):
    result = score(nmr_root, renders, tmp_path / "scored")
    own, scored = rows(renders.parent), rows(tmp_path / "scored")
    # The protocol measures 8 bits, which is what a file holds.
    for kind in ("model", "baseline"):
        assert own_scores(scored, kind) == own_scores(own, kind)
    assert {(line["method"], line["means"]["seconds"]) for line in scored if line["kind"] == "model"} == {
        ("renders", None)
    }
    metrics = json.loads((tmp_path / "scored/metrics.json").read_text())
    assert (metrics["checkpoint"], metrics["renders"]) == (None, str(renders))
    assert not (tmp_path / "scored/renders").exists()
    assert "these renders" in (result.output / "report.html").read_text()


def test_where_the_protocol_keeps_floats_the_numbers_agree_to_8_bits(nmr_root, checkpoint, tmp_path):
    net = constant_net(0.0)
    net.colors = lambda rays: (0.5 + rays.directions * rays.directions.new_tensor([0.4, 0.9, 0.7])).clamp(0, 1)
    run_fake(net, nmr_root, tmp_path / "own", checkpoint, eight_bits=False)
    score(nmr_root, tmp_path / "own/renders", tmp_path / "scored", protocol=protocol_values(eight_bits=False))
    for own, scored in zip(*(own_scores(rows(tmp_path / name), "model") for name in ("own", "scored")), strict=True):
        assert own["psnr"] != scored["psnr"]
        assert own["psnr"] == pytest.approx(scored["psnr"], abs=0.005)


def test_renders_that_changed_are_scored_again(nmr_root, renders, tmp_path):
    first = score(nmr_root, renders, tmp_path / "scored").results
    file = next(renders.rglob("*.png"))
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(file)
    changed = score(nmr_root, renders, tmp_path / "scored").results
    assert replace(changed, rows=()) == replace(first, rows=())
    assert changed.rows != first.rows


def test_shards_score_renders(nmr_root, renders, tmp_path):
    score(nmr_root, renders, tmp_path / "whole")
    for shard in ("2/2", "1/2"):
        score(nmr_root, renders, tmp_path / "parts", shard=shard)
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")


def remove(file):
    file.unlink()


def add(file):
    (file.parent / "099.png").write_bytes(file.read_bytes())


def shrink(file):
    Image.fromarray(np.zeros((8, 12, 3), np.uint8)).save(file)


def add_alpha(file):
    Image.fromarray(np.zeros((16, 16, 4), np.uint8)).save(file)


def cut(file):
    file.write_bytes(file.read_bytes()[:70])


def write_text(file):
    file.write_text("no picture")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove, r"1 missing of 32 \(02691156/test0/16x16/from_1/000.png\)"),
        (add, r"1 not of the protocol \(02691156/test0/16x16/from_1/099.png\)"),
        (shrink, r"1 unusable \(02691156/test0/16x16/from_1/000.png is 12x8 instead of 16x16\)"),
        (add_alpha, r"1 unusable \(02691156/test0/16x16/from_1/000.png has the channels RGBA instead of RGB\)"),
        (cut, r"1 unusable \(02691156/test0/16x16/from_1/000.png is no PNG, or damaged\)"),
        (write_text, r"1 unusable \(02691156/test0/16x16/from_1/000.png is no PNG, or damaged\)"),
    ],
)
def test_a_file_that_does_not_fit_is_named_in_one_line(nmr_root, renders, tmp_path, damage, message):
    damage(renders / "02691156/test0/16x16/from_1/000.png")
    with pytest.raises(UserError, match=message) as caught:
        score(nmr_root, renders, tmp_path / "scored")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "scored/metrics.json").exists()
    # What is asked for is written even so.
    assert (tmp_path / "scored/resolved_protocol.json").exists()


def test_many_missing_files_are_counted(nmr_root, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/.hidden").touch()
    with pytest.raises(UserError, match=r"32 missing of 32 \(.*, .*, .*png and 29 more\)"):
        score(nmr_root, tmp_path / "empty", tmp_path / "scored")


def test_results_do_not_mix_with_renders(nmr_root, renders):
    before = (renders.parent / "metrics.json").read_bytes()
    for output in (renders.parent, renders, renders / "scores"):
        with pytest.raises(UserError, match="would mix with renders"):
            score(nmr_root, renders, output)
    assert (renders.parent / "metrics.json").read_bytes() == before


def test_settings_of_a_model_are_refused(nmr_root, renders, tmp_path):
    with pytest.raises(UserError, match="leave out quality, bicubic, which only a model has"):
        score(nmr_root, renders, tmp_path / "scored", quality="baked", bicubic=2)


def test_results_lie_beside_the_renders(nmr_root, renders):
    assert score(nmr_root, renders, None).output == renders.parent / "renders_evaluation/tiny"
