"""Formulas as SVG drawn by matplotlib, so that pages need no script from elsewhere and no TeX.

Matplotlib knows a part of TeX. What it lacks and we use is put into words that it knows (`REPLACEMENTS`).
"""

import html
import io
import re
from functools import lru_cache

import matplotlib as mpl
from docutils import nodes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser
from sphinx.application import Sphinx

POINTS = 12
REPLACEMENTS = ((r"\tfrac", r"\frac"), (r"\lVert", r"\Vert"), (r"\rVert", r"\Vert"), (r"\top", "T"), (r"\left(", "("))


def setup(app: Sphinx) -> dict[str, bool]:
    """Takes the place of MathJax in HTML."""
    app.add_html_math_renderer("offline", (_visit_inline, None), (_visit_block, None))
    return {"parallel_read_safe": True}


def _visit_inline(self: object, node: nodes.math) -> None:
    self.body.append(_picture(node.astext(), "math"))  # pyright: ignore[reportAttributeAccessIssue]
    raise nodes.SkipNode


def _visit_block(self: object, node: nodes.math_block) -> None:
    """Lines of an `aligned` block one below the other, aligned at `&`, which stands before the relation."""
    source = re.sub(r"\\(begin|end)\{\w+\}", "", node.astext())
    rows = [row.strip() for row in source.split(r"\\") if row.strip()]
    # Small fractions are for lines of text.
    rows = [row.replace(r"\tfrac", r"\frac").replace(r"\frac", r"\dfrac") for row in rows]
    cells = [[_picture(part.strip(), "math") if part.strip() else "" for part in row.split("&")] for row in rows]
    if max(map(len, cells)) == 1:
        body = "".join(f"<div>{row[0]}</div>" for row in cells)
    else:
        lines = (f'<tr><td class="left">{row[0]}</td><td class="right">{row[1]}</td></tr>' for row in cells)
        body = f'<table class="formula">{"".join(lines)}</table>'
    self.body.append(f'<div class="formula">{body}</div>')  # pyright: ignore[reportAttributeAccessIssue]
    raise nodes.SkipNode


@lru_cache(maxsize=1000)
def _picture(tex: str, css_class: str) -> str:
    """An inline SVG in the text's colour, that stands on the text's baseline."""
    plain = " ".join(tex.split())
    for old, new in REPLACEMENTS:
        plain = plain.replace(old, new)
    plain = re.sub(r"\\left|\\right(?![a-z])", "", plain)
    formula = f"${plain}$"
    font = FontProperties(size=POINTS, math_fontfamily="cm")
    width, height, depth, _, _ = MathTextParser("path").parse(formula, dpi=72, prop=font)
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": plain}):
        figure = Figure(figsize=((width + 1) / 72, (height + 2) / 72))
        figure.text(0, (depth + 1) / (height + 2), formula, fontproperties=font, va="baseline")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # A style sheet in a picture would hold for the whole page.
    svg = re.sub(r"<(metadata|defs)>\s*<style.*?</\1>|<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    # Glyphs are defined in each picture; a page holds many, and ids must not clash.
    prefix = f"m{abs(hash_of(plain)):x}-"
    svg = re.sub(r'id="', f'id="{prefix}', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}', svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    style = (
        f"height:{(height + 2) / POINTS:.3f}em;width:{(width + 1) / POINTS:.3f}em;"
        f"vertical-align:{-(depth + 1) / POINTS:.3f}em"
    )
    label = html.escape(tex, quote=True)
    return svg.replace("<svg", f'<svg class="{css_class}" role="img" aria-label="{label}" style="{style}"', 1).strip()


def hash_of(text: str) -> int:
    """The same in every run, as Python's own hash is not."""
    value = 0
    for character in text:
        value = (value * 1_000_003 + ord(character)) % (1 << 48)
    return value
