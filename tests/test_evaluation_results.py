"""What an evaluation writes: means, metrics.json, the CSV file and the report."""

import csv
import io
import json
import math
import re

import pytest
from ball_scene import write_nmr
from evaluation_builders import constant_net, row, run_fake
from PIL import Image
from rich.console import Console

from pixelnerf.evaluation.report import report_html, results_table
from pixelnerf.evaluation.results import Means, Measurement, ObjectResult, Results, Scores, mean_rows, mean_scores


def object_result(category, value, group="seen", lpips=None, size="8x8"):
    def measurement(method, kind, scores):
        return Measurement(group, category, f"{category}/{value}", size, 1, 5, method, kind, scores)

    return ObjectResult(
        (
            measurement("model", "model", Scores(value, value / 100, lpips)),
            measurement("nearest_view", "baseline", Scores(1.0, 0.1, lpips)),
            measurement("background", "baseline", Scores(2.0, 0.1, lpips)),
        )
    )


def results_of(objects, **changes):
    return Results(
        **{
            "protocol": "p",
            "checkpoint": "c",
            "renders": None,
            "refiners": {},
            "notes": {},
            "rows": mean_rows(objects),
            **changes,
        }
    )


def test_means_are_weighted_by_instances():
    objects = [object_result("chair", 10.0), object_result("chair", 20.0), object_result("car", 60.0)]
    objects.append(object_result("lamp", 5.0, "unseen"))
    results = results_of(objects)
    seen, unseen = (row for row in results.rows if row.kind == "model")
    assert seen.means.psnr == pytest.approx(30)  # not (15 + 60) / 2
    assert seen.means.objects == 3
    assert seen.categories["chair"] == Means(15.0, pytest.approx(0.15), objects=2)
    assert unseen.categories.keys() == {"lamp"}
    assert [(row.group, row.method) for row in results.rows] == [
        (group, method) for group in ("seen", "unseen") for method in ("model", "nearest_view", "background")
    ]
    assert results.margin("seen", 1) == pytest.approx(28)


def test_sizes_of_an_object_count_as_one_object():
    row = mean_rows([object_result("chair", 10.0, size=size) for size in ("8x8", "4x4")])[0]
    assert row.means.objects == 1
    assert list(row.sizes) == ["8x8", "4x4"]


def test_lpips_is_none_if_an_object_has_none():
    assert mean_scores([Scores(1, 1, 0.2), Scores(1, 1, 0.4)], 2).lpips == pytest.approx(0.3)
    assert mean_scores([Scores(1, 1, 0.2), Scores(1, 1, None)], 2).lpips is None


def test_the_tables_average_is_there_where_lpips_is():
    def printed(lpips):
        console = Console(width=200, file=io.StringIO())
        console.print(results_table(results_of([object_result("chair", 20.0, lpips=lpips)])))
        return console.file.getvalue()

    assert not {"LPIPS", "Avg"} & set(printed(None).split())
    assert {"LPIPS", "Avg"} < set(printed(0.1).split())
    # MSE 0.01, sqrt(1 - 0.2), LPIPS 0.1
    assert f"{(0.01 * 0.8**0.5 * 0.1) ** (1 / 3):.4f}" in printed(0.1)


def test_names_are_no_markup():
    console = Console(width=200, file=io.StringIO())
    console.print(results_table(results_of([object_result("chair", 20.0)], protocol="[bold]mine[/bold]")))
    assert "[bold]mine[/bold]" in console.file.getvalue()


MEANS = {"psnr", "ssim", "lpips", "sharpness", "seconds", "objects"}


def test_blank_objects_are_listed_and_the_means_are_also_without_them(checkpoint, tmp_path):
    """An object that the photos do not show, as SRN's white car, beside one that they do."""
    root = write_nmr(tmp_path / "nmr", objects_per_split=2, views=6, size=16)
    for photo in (root / "02691156/test1/image").glob("*.png"):
        Image.new("RGB", (16, 16), "white").save(photo)
    result = run_fake(constant_net(0.9), root, tmp_path / "out", checkpoint)
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    grey = -10 * math.log10((1 - 229 / 255) ** 2)  # 0.9 in 8 bits
    (blank,) = metrics["blank"]
    assert (blank["group"], blank["category"], blank["object"]) == ("seen", "airplane", "02691156/test1")
    assert blank["psnr"] == {"1": pytest.approx(grey, abs=1e-4), "2": pytest.approx(grey, abs=1e-4)}
    both, other = row(result, "seen", 1).means, row(result, "seen", 1).without_blank
    assert (both.objects, other.objects) == (2, 1)
    assert both.psnr == pytest.approx((other.psnr + grey) / 2, abs=1e-4)
    assert row(result, "unseen", 1).without_blank is None
    note = result.results.notes["blank"]
    assert note.startswith("only background in every target: 02691156/test1 (")
    assert f"seen, 1 photo: PSNR {other.psnr:.2f}" in note
    assert "unseen" not in note
    assert "only background in every target" in (tmp_path / "out/report.html").read_text()


def test_metrics_json_follows_its_schema(nmr_root, checkpoint, tmp_path):
    run_fake(constant_net(0.9), nmr_root, tmp_path / "out", checkpoint)
    metrics = json.loads((tmp_path / "out/metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics.keys() == {
        "protocol",
        "checkpoint",
        "renders",
        "refiners",
        "notes",
        "rows",
        "published",
        "blank",
        "turntables",
    }
    assert metrics["protocol"] == "tiny"
    assert metrics["checkpoint"] == str(checkpoint)
    assert metrics["published"] == []
    methods = [("model", "model"), ("nearest_view", "baseline"), ("background", "baseline")]
    assert [(row["group"], row["views"], row["method"], row["kind"]) for row in metrics["rows"]] == [
        (group, views, *method) for group in ("seen", "unseen") for views in (1, 2) for method in methods
    ]
    for plain in metrics["rows"]:
        assert plain.keys() == {
            "group",
            "views",
            "method",
            "kind",
            "source",
            "means",
            "categories",
            "sizes",
            "without_blank",
        }
        assert plain["categories"].keys() == {"airplane" if plain["group"] == "seen" else "chair"}
        for means in (plain["means"], *plain["categories"].values()):
            assert means.keys() == MEANS
            assert isinstance(means["psnr"], float)
    assert "lpips" in metrics["notes"] or metrics["rows"][0]["means"]["lpips"] is not None


def test_scenes_in_one_group_are_called_all(nmr_root, checkpoint, tmp_path):
    group = {"splits": ["test"], "categories": ["airplane"], "objects_per_category": 1}
    result = run_fake(constant_net(0.9), nmr_root, tmp_path, checkpoint, groups={"all": group})
    assert result.results.groups() == ["all"]
    assert row(result, "all", 1).means.objects == 1


def test_the_csv_has_every_object_and_averages_to_the_metrics(nmr_root, checkpoint, tmp_path):
    result = run_fake(constant_net(0.9), nmr_root, tmp_path, checkpoint)
    lines = list(csv.DictReader((tmp_path / "per_object.csv").open()))
    assert len(lines) == 4 * 2 * 3
    for group in ("seen", "unseen"):
        values = [
            float(line["psnr"])
            for line in lines
            if (line["group"], line["views"], line["method"]) == (group, "2", "nearest_view")
        ]
        mean = row(result, group, 2, "nearest_view").means.psnr
        assert sum(values) / len(values) == pytest.approx(mean, abs=1e-5)


def test_the_report_is_one_file(nmr_root, checkpoint, tmp_path):
    result = run_fake(constant_net(0.9), nmr_root, tmp_path, checkpoint)
    html = (tmp_path / "report.html").read_text()
    sources = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", html)
    # Two scenes of each group, the best and the worst: inputs (1 and 2), prediction, truth, depth, error.
    assert len(sources) == 4 * (5 + 6)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|url\(|@import|<script|<link", html)
    assert f"{row(result, 'unseen', 1).means.psnr:.2f}" in html
    for rank in ("best", "worst"):
        assert html.count(f"<h4>{rank}:") == 2
    # Every target from 1 and from 2 photos.
    assert len(list((tmp_path / "renders").rglob("*.png"))) == 4 * 2 * 4


def test_names_are_escaped_in_the_report(tmp_path):
    objects = [object_result("<i>", 10.0, "seen")]
    results = results_of(objects, protocol="<b>p</b>", notes={"x": "<u>note</u>"})
    html = report_html(results, objects, tmp_path, {"checkpoint": "<s>"})
    assert "&lt;b&gt;p" in html
    assert not re.search("<b>p|<i>|<u>note|<s>", html)
