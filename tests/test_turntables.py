"""Turntables in the report of an evaluation, their pages, and one page for several evaluations."""

import re
import shutil
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from ball_scene import write_nmr
from evaluation_builders import constant_net, dataset_values, open_dataset, protocol_values, run_values
from PIL import Image
from training_runs import tiny_config

from pixelnerf.app.page import save_page
from pixelnerf.errors import UserError
from pixelnerf.evaluation.comparison import write_comparison
from pixelnerf.images.metrics import psnr
from pixelnerf.images.pictures import from_8_bits
from pixelnerf.model.image import render_image
from pixelnerf.model.net import PhotoNet, RawRadiance
from pixelnerf.scenes.photos import scene_photos

FILES = {"turntable.webp", "object.html", "made.json"}
HOSTILE = "<script>alert(1)<i>"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two airplanes, one of which has a hostile name, and two chairs."""
    root = write_nmr(tmp_path_factory.mktemp("turned"), objects_per_split=2, views=6, size=16)
    (root / "02691156/test1").rename(root / "02691156" / HOSTILE)
    for listing in (root / "02691156/softras_test.lst", root / "src_views.txt"):
        lines = listing.read_text().splitlines()
        renamed = [line.replace("test1", HOSTILE) if "03001627" not in line else line for line in lines]
        listing.write_text("\n".join(renamed) + "\n")
    return root


class BallNet(PhotoNet):
    """Sees a ball beside a smaller one, coloured by place, whatever the photos."""

    def query(self, features, field, gaussians, toward=None):
        points = gaussians.means
        inside = (points.norm(dim=-1) < 0.3) | ((points - points.new_tensor([0.0, 0.35, 0.2])).norm(dim=-1) < 0.12)
        colors = 4 * torch.sin(6 * points + torch.tensor([0.0, 1.0, 2.0]))
        if toward is not None:
            colors = colors.expand(-1, toward.shape[1], -1, -1)
        return RawRadiance(torch.where(inside, 60.0, -30.0), colors)


@pytest.fixture(scope="module")
def net(tmp_path_factory, root):
    config = tiny_config(tmp_path_factory.mktemp("run"), root).model
    return BallNet(config, config.photo_parts(), load_pretrained=False)


def evaluated(net, root, output, checkpoint, save_page=save_page, **changes):
    values = {"protocol": protocol_values(), "dataset": {**dataset_values(root), "half_side": 0.5}, **changes}
    return run_values(net, save_page, checkpoint=checkpoint, output=output, **values)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, net, root):
    """An evaluation with turntables: its results and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    checkpoint = folder / "net.ckpt"
    checkpoint.write_bytes(b"stands for a checkpoint")
    return evaluated(net, root, folder / "out", checkpoint), folder / "out"


class Page(HTMLParser):
    """Elements, links and sources of a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.links, self.sources, self.text = [], [], [], ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]
        self.sources += [value for name, value in attrs if name == "src"]

    def handle_data(self, data):
        self.text += data


def test_the_report_shows_each_groups_best_and_worst_and_links_their_pages(whole):
    result, output = whole
    turntables = result.results.turntables
    assert [(one.group, one.rank) for one in turntables] == [
        (group, rank) for group in ("seen", "unseen") for rank in ("best", "worst")
    ]
    assert all(one.views == 2 for one in turntables)
    assert turntables[0].psnr >= turntables[1].psnr
    assert {path.name for path in (output / "objects/seen_best").iterdir()} == FILES
    report = Page(output / "report.html")
    assert len(report.links) == 4
    titles = {re.search("<title>(.*?)</title>", (output / link).read_text("utf-8"))[1] for link in report.links}
    assert len(titles) == 4
    assert sum(source.startswith("data:image/webp;base64,") for source in report.sources) == 4
    # Still one file: nothing but the pages lies outside.
    assert all(source.startswith("data:image/") for source in report.sources)
    assert "script" not in report.tags
    assert HOSTILE in report.text
    assert "4 objects, made in" in report.text


def test_a_hostile_name_is_text_on_its_page(whole):
    result, output = whole
    (hostile,) = (one for one in result.results.turntables if HOSTILE in one.object)
    page = (output / hostile.page).read_text("utf-8")
    assert "alert(1)" in page
    assert HOSTILE not in page


def test_a_turn_begins_with_our_render_of_the_first_photos_camera(whole, net, root):
    result, output = whole
    turntable = result.results.turntables[2]
    scene = next(one for one in open_dataset(root).scenes("test") if one.name == turntable.object)
    scene.half_side = 0.5
    with Image.open(output / turntable.picture) as picture:
        assert (picture.n_frames, picture.size, picture.info["loop"]) == (24, (128, 128), 0)
        frames = []
        for index in range(picture.n_frames):
            picture.seek(index)
            frames.append(torch.from_numpy(from_8_bits(np.asarray(picture.convert("RGB")))))
    # Six views around: the camera two views on is a third of a turn away.
    for view, frame in ((2, 0), (4, 8)):
        with torch.inference_mode():
            features = net.encode(scene_photos(scene, [2, 4]))
            camera = scene.cameras()[view].scaled(8.0)
            truth = render_image(net, features, scene.view_of(camera), quality="baked").color
        agreement = [psnr(one, truth) for one in frames]
        # Of what WebP leaves of saturated colours.
        assert max(agreement) == agreement[frame] > 35
        assert sorted(agreement)[-2] < agreement[frame] - 3


def test_what_exists_is_not_rendered_again(whole, net, root, tmp_path):
    first, output = whole
    shutil.copytree(output, tmp_path / "out")
    checkpoint = tmp_path / "net.ckpt"
    checkpoint.write_bytes(b"stands for a checkpoint")
    written = []

    def count(path, *rest):
        written.append(path.relative_to(tmp_path / "out").as_posix())
        save_page(path, *rest)

    again = evaluated(net, root, tmp_path / "out", checkpoint, count).results
    assert (again.turntables, again.rows) == (first.results.turntables, first.results.rows)
    assert written == []
    assert Page(tmp_path / "out/report.html").links == Page(output / "report.html").links
    (tmp_path / "out/objects/seen_best/turntable.webp").unlink()
    (tmp_path / "out/objects/unseen_best/made.json").write_text("{")
    evaluated(net, root, tmp_path / "out", checkpoint, count)
    assert written == ["objects/seen_best/object.html", "objects/unseen_best/object.html"]
    written.clear()
    # Of other weights.
    checkpoint.write_bytes(b"another checkpoint")
    evaluated(net, root, tmp_path / "out", checkpoint, count)
    assert len(written) == 4


def test_an_interrupted_turn_is_made_again(net, root, checkpoint, tmp_path):
    written = []

    def interrupt(path, *rest):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        save_page(path, *rest)

    with pytest.raises(KeyboardInterrupt, match="all 4 scenes are measured; run the same command"):
        evaluated(net, root, tmp_path / "out", checkpoint, interrupt)
    written.clear()
    resumed = evaluated(
        net, root, tmp_path / "out", checkpoint, lambda *given: written.append(given[0]) or save_page(*given)
    )
    assert len(written) == 2
    assert len(resumed.results.turntables) == 4


def test_the_last_shard_makes_them(whole, net, root, checkpoint, tmp_path):
    assert evaluated(net, root, tmp_path / "out", checkpoint, shard="2/2").results is None
    assert not (tmp_path / "out/objects").exists()
    last = evaluated(net, root, tmp_path / "out", checkpoint, shard="1/2")
    assert last.results.turntables == whole[0].results.turntables


def test_objects_that_are_not_asked_for_or_cannot_be_baked_have_none(net, root, checkpoint, tmp_path):
    for name, model, changes in (("off", net, {"turntables": False}), ("fake", constant_net(0.9), {})):
        result = evaluated(model, root, tmp_path / name, checkpoint, **changes)
        assert result.results.turntables == ()
        assert not (tmp_path / name / "objects").exists()
        assert Page(tmp_path / name / "report.html").links == []


def test_an_object_whose_page_cannot_be_written_is_named_and_the_others_are_there(net, root, checkpoint, tmp_path):
    def refuse(path, *rest):
        if "unseen_best" in str(path):
            raise UserError("the baked volume is <empty>")
        save_page(path, *rest)

    result = evaluated(net, root, tmp_path / "out", checkpoint, refuse)
    assert [(one.group, one.rank) for one in result.results.turntables] == [
        ("seen", "best"),
        ("seen", "worst"),
        ("unseen", "worst"),
    ]
    assert "the baked volume is <empty>" in Page(tmp_path / "out/report.html").text


def test_one_page_for_several_evaluations(whole, root, checkpoint, tmp_path, run_script):
    _, output = whole
    shutil.copytree(output, tmp_path / "a/with turntables")
    other = evaluated(constant_net(0.9), root, tmp_path / "b", checkpoint)
    evaluations = [f"<i>ours=a={tmp_path / 'a/with turntables'}", f"grey={tmp_path / 'b'}"]
    status, printed, _ = run_script("compare_evaluations.py", *evaluations, "--output", tmp_path / "index.html")
    assert status == 2  # a title has no equals sign, so this folder is none
    evaluations[0] = f"<i>ours={tmp_path / 'a/with turntables'}"
    status, printed, _ = run_script("compare_evaluations.py", *evaluations, "--output", tmp_path / "index.html")
    assert (status, printed) == (0, f"open {tmp_path / 'index.html'}\n")
    page = Page(tmp_path / "index.html")
    # Two reports, four turntables.
    assert len(page.links) == 6
    assert len(page.sources) == 4
    assert all((tmp_path / unquote(link)).is_file() for link in (*page.links, *page.sources))
    assert "i" not in page.tags
    assert "<i>ours" in page.text
    grey = next(row for row in other.results.rows if row.kind == "model" and row.views == 1)
    assert f"{grey.means.psnr:.2f}" in page.text
    assert page.text.count("nearest input view, copied") == 2


def test_evaluations_that_cannot_be_compared(whole, root, checkpoint, tmp_path):
    _, output = whole
    evaluated(constant_net(0.9), root, tmp_path / "b", checkpoint, protocol=protocol_values(name="other"))
    with pytest.raises(UserError, match="different protocols cannot be compared: other, tiny"):
        write_comparison(tmp_path / "index.html", {"a": output, "b": tmp_path / "b"}, "both")
    with pytest.raises(UserError, match=r"no results '.*nowhere/metrics.json'.*evaluate into"):
        write_comparison(tmp_path / "index.html", {"a": tmp_path / "nowhere"}, "none")
    (tmp_path / "b/metrics.json").write_text("{}")
    with pytest.raises(UserError, match="holds no results"):
        write_comparison(tmp_path / "index.html", {"b": tmp_path / "b"}, "none")
    assert not (tmp_path / "index.html").exists()
