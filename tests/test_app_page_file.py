"""`object.html` as a file: what it holds, how small it is, and what is refused."""

import json
import math
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch
from baked_volumes import ball_with_thin_parts
from saved_pages import write

from pixelnerf.app.page import LARGEST_FILE, pack_volume
from pixelnerf.errors import UserError


class Sources(HTMLParser):
    """Everything that a page would load, and the content of its elements by id."""

    def __init__(self):
        super().__init__()
        self.sources, self.texts, self.policy, self._id = [], {}, "", None

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self._id = attributes.get("id")
        self.sources += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]

    def handle_data(self, data):
        if self._id:
            self.texts.setdefault(self._id, data)


def test_one_file_that_needs_no_other(tmp_path):
    saved = write(tmp_path / "object.html", photos=[torch.rand(48, 48, 3), torch.rand(30, 40, 4)])
    parser = Sources()
    parser.feed(saved.read_text("utf-8"))
    assert len(parser.sources) == 4  # icon, fallback, two photos
    assert all(source.startswith("data:") for source in parser.sources)
    assert parser.policy.startswith("default-src 'none'; ")
    assert "unsafe" not in parser.policy
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    assert saved.stat().st_size < 200_000


def test_codes_keep_opacity_and_colors():
    """Haze and solid matter alike: no cell's opacity moves by more than a level of 8 bits, nor colours of matter."""
    volume = ball_with_thin_parts(cells=20)
    optical_depth = torch.logspace(-3, 1.5, volume.density.numel()).view(volume.density.shape)
    volume = replace(volume, density=optical_depth / volume.cell)
    codes, described = pack_volume(volume)
    raw = torch.frombuffer(bytearray(zlib.decompress(codes)), dtype=torch.uint8).double()
    cells = volume.density.numel()
    assert described["occupied"] == cells
    assert len(raw) == 13 * cells
    sharpness, largest = described["density"]["sharpness"], described["density"]["largest"]
    read = torch.expm1(raw[:cells] / 255 * math.log1p(sharpness * largest)) / sharpness
    truth = optical_depth.permute(2, 1, 0).flatten()
    assert (torch.exp(-read) - torch.exp(-truth)).abs().max() < 2 / 255
    assert ((read - truth).abs() / truth).max() < 0.2
    low, high = torch.tensor(described["ranges"]).unbind(-1)
    coefficients = low[:, None] + raw[cells:].view(12, cells) / 255 * (high - low)[:, None]
    assert (coefficients - volume.colors.permute(3, 4, 2, 1, 0).flatten(2).flatten(0, 1)).abs().max() < 1 / 255
    json.dumps(described, allow_nan=False)


def test_refusals_leave_the_file_alone(tmp_path):
    path = write(tmp_path / "object.html")
    before = path.read_bytes()
    volume = ball_with_thin_parts(cells=12)
    with pytest.raises(UserError, match="empty"):
        write(path, replace(volume, density=torch.zeros_like(volume.density)))
    with pytest.raises(ValueError, match="finite"):
        write(path, replace(volume, density=volume.density * math.nan))
    noise = torch.rand(68, 68, 68)
    with pytest.raises(UserError, match=rf"MB, and {LARGEST_FILE // 10**6} are the most"):
        write(path, replace(volume, density=100 * noise, colors=noise[..., None, None].expand(-1, -1, -1, 4, 3) * 1.0))
    assert path.read_bytes() == before
    with pytest.raises(UserError, match="cannot write"):
        write(tmp_path / "missing" / "object.html")


def test_a_page_of_48_cells_is_below_a_megabyte(tmp_path):
    """Of an object as noisy as a network's and a third of its box full."""
    generator = torch.Generator().manual_seed(0)
    volume = ball_with_thin_parts(cells=45)
    full = torch.rand(volume.density.shape, generator=generator) < 1 / 3
    noisy = replace(
        volume,
        density=full * 100 * torch.rand(volume.density.shape, generator=generator),
        colors=torch.rand(volume.colors.shape, generator=generator),
    )
    assert write(tmp_path / "object.html", noisy).stat().st_size < 1_000_000
