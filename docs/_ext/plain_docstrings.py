"""Docstrings for reStructuredText: ours are plain text in Google style, with indented formulas and file trees."""

import re

from sphinx.application import Sphinx

SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):$")


def setup(app: Sphinx) -> dict[str, bool]:
    """Runs before napoleon, which turns the sections into fields."""

    def process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
        lines[:] = plain_to_rst(lines)

    app.connect("autodoc-process-docstring", process, priority=100)
    return {"parallel_read_safe": True}


def plain_to_rst(lines: list[str]) -> list[str]:
    """Escapes what reStructuredText would read as markup, and makes literal blocks of indented text.

    >>> plain_to_rst(["With h", "    v = a |d|^2", "this is", "it."])
    ['With h', '', '::', '', '    v = a |d|^2', '', 'this is', 'it.']
    """
    result, kind = [], "text"
    for line in lines:
        before = kind
        if line.strip() and not line.startswith(" "):
            kind = "section" if SECTION.match(line) else "text"
        elif line.startswith("    ") and kind == "text":
            kind = "literal"
        if kind != before and "literal" in (kind, before):
            result += ["", "::", ""] if kind == "literal" else [""]
        result.append(line if kind == "literal" else _escaped(line))
    return result


def _escaped(line: str) -> str:
    """Asterisks, bars and trailing underscores outside of code are themselves."""
    parts = line.split("`")
    parts[::2] = [re.sub(r"([*|\\])|(?<=\w)(_)(?=\W|$)", r"\\\1\2", part) for part in parts[::2]]
    return "`".join(parts)
