"""What an evaluation writes: means, metrics.json, the CSV file and the report."""

import csv
import io
import json
import re

import pytest
from evaluation_builders import constant_net, run_fake
from rich.console import Console

from pixelnerf.evaluation.aggregate import mean_scores, metrics_json
from pixelnerf.evaluation.console import results_table
from pixelnerf.evaluation.evaluator import SceneScores, Scores
from pixelnerf.evaluation.report import report_html


def scene_result(category, value, group="seen", lpips=None, name="", size="8x8"):
    scores = {"model": Scores(value, value / 100, lpips)}
    scores["nearest_view"] = scores["background"] = Scores(1.0, 0.1, lpips)
    return SceneScores(group, category, f"{category}/{value}{name}", size, {1: 5}, {1: scores})


UNMEASURED = {"sharpness": None, "seconds": None}


def test_means_are_weighted_by_instances():
    results = [scene_result("chair", 10.0), scene_result("chair", 20.0), scene_result("car", 60.0)]
    results.append(scene_result("lamp", 5.0, "unseen"))
    metrics = metrics_json("p", "c", results, {})
    seen = metrics["views"]["1"]["seen"]
    assert seen["psnr"] == pytest.approx(30)  # not (15 + 60) / 2
    assert seen["objects"] == 3
    assert seen["categories"]["chair"] == {
        "psnr": 15.0,
        "ssim": pytest.approx(0.15),
        "lpips": None,
        "objects": 2,
        **UNMEASURED,
    }
    assert metrics["views"]["1"]["unseen"]["categories"].keys() == {"lamp"}
    assert metrics["views"]["1"]["baselines"]["background"]["seen"]["psnr"] == 1.0


def test_lpips_is_null_if_a_scene_has_none():
    assert mean_scores([Scores(1, 1, 0.2), Scores(1, 1, 0.4)])["lpips"] == pytest.approx(0.3)
    assert mean_scores([Scores(1, 1, 0.2), Scores(1, 1, None)])["lpips"] is None


def test_the_tables_average_is_there_where_lpips_is():
    def header(lpips):
        metrics = metrics_json("p", "c", [scene_result("chair", 20.0, lpips=lpips)], {})
        console = Console(width=200, file=io.StringIO())
        console.print(results_table(metrics, comparable=False))
        return console.file.getvalue()

    assert not {"LPIPS", "Avg"} & set(header(None).split())
    assert {"LPIPS", "Avg"} < set(header(0.1).split())
    # MSE 0.01, sqrt(1 - 0.2), LPIPS 0.1
    assert f"{(0.01 * 0.8**0.5 * 0.1) ** (1 / 3):.4f}" in header(0.1)


def check_numbers(numbers, names):
    assert numbers.keys() == {"psnr", "ssim", "lpips", "sharpness", "seconds", "objects", "categories"}
    assert numbers["categories"].keys() == names
    for category in numbers["categories"].values():
        assert category.keys() == {"psnr", "ssim", "lpips", "sharpness", "seconds", "objects"}
        assert isinstance(category["psnr"], float)


def test_metrics_json_follows_its_schema(monkeypatch, nmr_root, checkpoint, tmp_path):
    result = run_fake(monkeypatch, constant_net(0.9), nmr_root, tmp_path / "out", checkpoint)
    metrics = json.loads((tmp_path / "out/metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics == result.metrics
    assert metrics.keys() == {"protocol", "checkpoint", "views", "notes"}
    assert metrics["protocol"] == "tiny"
    assert metrics["checkpoint"] == str(checkpoint)
    assert metrics["views"].keys() == {"1", "2"}
    for numbers in metrics["views"].values():
        assert numbers.keys() == {"seen", "unseen", "baselines"}
        assert numbers["baselines"].keys() == {"nearest_view", "background"}
        for groups in (numbers, *numbers["baselines"].values()):
            check_numbers(groups["seen"], {"airplane"})
            check_numbers(groups["unseen"], {"chair"})
    assert "lpips" in metrics["notes"] or metrics["views"]["1"]["seen"]["lpips"] is not None


def test_scenes_in_one_group_are_called_all(monkeypatch, nmr_root, checkpoint, tmp_path):
    group = {"splits": ["test"], "categories": ["airplane"], "objects_per_category": 1}
    result = run_fake(monkeypatch, constant_net(0.9), nmr_root, tmp_path, checkpoint, groups={"all": group})
    assert result.metrics["views"]["1"].keys() == {"all", "baselines"}
    assert result.metrics["views"]["1"]["all"]["objects"] == 1


def test_the_csv_has_every_object_and_averages_to_the_metrics(monkeypatch, nmr_root, checkpoint, tmp_path):
    result = run_fake(monkeypatch, constant_net(0.9), nmr_root, tmp_path, checkpoint)
    rows = list(csv.DictReader((tmp_path / "per_object.csv").open()))
    assert len(rows) == 4 * 2 * 3
    for group in ("seen", "unseen"):
        values = [
            float(row["psnr"])
            for row in rows
            if (row["group"], row["views"], row["method"]) == (group, "2", "nearest_view")
        ]
        mean = result.metrics["views"]["2"]["baselines"]["nearest_view"][group]["psnr"]
        assert sum(values) / len(values) == pytest.approx(mean, abs=1e-5)


def test_the_report_is_one_file(monkeypatch, nmr_root, checkpoint, tmp_path):
    result = run_fake(monkeypatch, constant_net(0.9), nmr_root, tmp_path, checkpoint)
    html = (tmp_path / "report.html").read_text()
    sources = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", html)
    # Two scenes of each group, the best and the worst: inputs (1 and 2), prediction, truth, depth, error.
    assert len(sources) == 4 * (5 + 6)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|url\(|@import|<script|<link", html)
    assert f"{result.metrics['views']['1']['unseen']['psnr']:.2f}" in html
    for rank in ("best", "worst"):
        assert html.count(f"<h4>{rank}:") == 2
    assert len(list((tmp_path / "renders").rglob("*_prediction.png"))) == 4 * 2


def test_names_are_escaped_in_the_report():
    metrics = metrics_json("<b>p</b>", "c", [scene_result("<i>", 10.0)], {"x": "<u>note</u>"})
    html = report_html(metrics, [], {"checkpoint": "<s>"}, True)
    assert not re.search("<b>p|<i>|<u>note|<s>", html)


def test_published_rows_stay_out_of_an_altered_protocol():
    metrics = metrics_json(
        "shapenet_13", "c", [scene_result("chair", 10.0, name=f"/{number}") for number in range(8762)], {}
    )
    assert "26.80" in report_html(metrics, [], {}, comparable=True)
    assert "26.80" not in report_html(metrics, [], {}, comparable=False)
    assert "26.80" not in report_html({**metrics, "protocol": "shapes13_unseen"}, [], {}, comparable=True)
    partial = metrics_json("shapenet_13", "c", [scene_result("chair", 10.0)], {})
    assert "26.80" not in report_html(partial, [], {}, comparable=True)
