"""Docstrings for reStructuredText: ours are plain text in Google style, with indented formulas and file trees."""

import re

from sphinx.application import Sphinx

SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")


def setup(app: Sphinx) -> dict[str, bool]:
    """Runs before napoleon, which turns the sections into fields."""
    app.connect("autodoc-process-docstring", _process, priority=100)
    return {"parallel_read_safe": True}


def _process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = plain_to_rst(lines)


def plain_to_rst(lines: list[str]) -> list[str]:
    """Escapes what reStructuredText would read as markup, and makes literal blocks of indented text.

    >>> plain_to_rst(["With h", "    v = a |d|^2", "this is", "it."])
    ['With h', '', '::', '', '    v = a |d|^2', '', 'this is', 'it.']
    """
    result: list[str] = []
    in_section = literal = False
    for line in lines:
        if SECTION.match(line):
            in_section, literal = True, False
        elif line.strip() and not line.startswith(" "):
            in_section = False
            if literal:
                result.append("")
            literal = False
        elif line.startswith("    ") and not in_section and not literal:
            result += ["", "::", ""] if result and result[-1] else ["::", ""]
            literal = True
        result.append(line if literal else _escaped(line))
    return result


def _escaped(line: str) -> str:
    """Asterisks, bars and trailing underscores outside of code are themselves."""
    parts = line.split("`")
    parts[::2] = [re.sub(r"([*|\\])|(?<=\w)(_)(?=\W|$)", r"\\\1\2", part) for part in parts[::2]]
    return "`".join(parts)
