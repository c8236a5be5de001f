"""Writes the configuration pages from the pydantic models and the composed YAML, when a build begins.

A page has a table for every section of a root model, a row a key, with its type, its meaning (from the docstring's
`Attributes:`, else `notes.yaml`) and the values that the YAML files give it, a column a composition.
"""

import inspect
import json
import pydoc
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from sphinx.application import Sphinx

from pixelnerf.config import Config

CONF = Path(__file__).resolve().parents[2] / "conf"
NOTES = yaml.safe_load(Path(__file__).with_name("notes.yaml").read_text("utf-8"))
FOLDER = "_generated/configuration"
ELSEWHERE = {
    "dataset": "see [Datasets](datasets.md)",
    "model": "see [Models](models.md)",
    "original": "see [Models](models.md): what the benchmark compares with",
    "protocol": "see [Protocols in full](protocols.md)",
}
NAMES = {
    Any: "anything",
    bool: "true or false",
    float: "number",
    int: "whole number",
    str: "text",
    Path: "path",
    NoneType: "null",
}
BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "min_length": "at least"}

Columns = dict[str, Any]
"""By heading, the plain values of the section that is described; None where a composition lacks it."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Writes the pages before Sphinx looks for sources; one that would not change is left alone."""

    def write(app: Sphinx, config: object) -> None:
        folder = Path(app.srcdir) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages().items():
            path = folder / f"{name}.md"
            if not path.is_file() or path.read_text("utf-8") != text:
                path.write_text(text, "utf-8")

    app.connect("config-inited", write)
    return {"parallel_read_safe": True}


def pages() -> dict[str, str]:
    """The Markdown of all pages by name."""
    return {name: "\n".join([page["begins"], *_sections(page)]) + "\n" for name, page in NOTES["pages"].items()}


def _sections(page: dict[str, Any]) -> Iterator[str]:
    for entry in page["sections"]:
        found: Any = pydoc.locate(entry["class"]) if "class" in entry else None
        program, group, path = (entry.get(key, "") for key in ("compose", "group", "path"))
        files = sorted(file.stem for file in (CONF / group).glob("*.yaml") if file.stem != "base") if group else []
        columns: Columns = {name: compose(program, f"{group}={name}")[group] for name in files}
        columns |= {name: compose(program, f"experiment={name}") for name in entry.get("experiments", ())}
        if program and not columns:
            columns = {"value in YAML": compose(program)}
        if found is None:
            for name, values in columns.items():
                text = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100)
                yield f"## `{name}`\n\n```yaml\n{text}```\n"
        elif path or isinstance(found, type):
            yield section(path, found, columns)
        else:
            # A union: a section a member, with the files that select it.
            for member in config_classes(found):
                mine = {name: values for name, values in columns.items() if _is_of(member, values)}
                yield section(tags(member)[0], member, mine)


def compose(config_name: str, *overrides: str) -> dict[str, Any]:
    """A composed configuration as plain values; what only a run knows stays a placeholder."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base=None, config_dir=str(CONF)):
        config = hydra.compose(config_name, overrides=list(overrides))
    return dict(OmegaConf.to_container(config, resolve=False))  # pyright: ignore[reportArgumentType, reportCallIssue]


def section(path: str, config_class: type[Config], columns: Columns, depth: int = 2) -> str:
    """A table of the plain keys of a model, then the sections of its sub-models, as Markdown."""
    docstring = inspect.cleandoc(config_class.__doc__ or "")
    summary = re.split(r"^(?:Attributes|Raises|Args):$", docstring, flags=re.MULTILINE)[0].strip()
    rows, children = [], []
    for key, field in config_class.model_fields.items():
        values = [column.get(key, ...) for column in columns.values()]
        nested = [child for child in config_classes(field.annotation) if child is not Config]
        if key in ELSEWHERE and (nested or key == "dataset"):
            rows.append([key, "section", ELSEWHERE[key], *("" for _ in values)])
        elif nested and not re.search(r"\b(dict|list|tuple)\[", str(field.annotation)):
            children += [(f"{path}.{key}".strip("."), key, child, len(nested) == 1) for child in nested]
        else:
            kind = type_name(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)
            rows.append([key, kind, meaning(config_class, key), *map(shown, values)])
    parts = [f"{'#' * min(depth, 4)} {f'`{path}`' if path else 'Top level'}\n", *([f"{summary}\n"] if summary else [])]
    if rows:
        headings = ["key", "type", "meaning", *columns]
        lines = [headings, ["---"] * len(headings), *([f"`{key}`", *rest] for key, *rest in rows)]
        parts.append("{.keys}")
        parts += ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        parts.append("")
    for child_path, key, child, only in children:
        mine = {name: column[key] for name, column in columns.items() if _is_of(child, column.get(key))}
        if mine or only or not columns:
            parts.append(section(child_path, child, mine, depth + 1))
    return "\n".join(parts)


def meaning(config_class: type[Config], key: str) -> str:
    """The documentation of a key: of the nearest class that has any."""
    for cls in config_class.__mro__:
        attributes = inspect.cleandoc(cls.__doc__ or "").partition("\nAttributes:\n")[2]
        if entry := re.search(rf"^    {key}: ((?:.|\n(?!    \w+:|\S))*)", attributes, flags=re.MULTILINE):
            return " ".join(entry[1].split())
        if note := NOTES.get(cls.__name__.split("[")[0], {}).get(key):
            return note
    return "selects this kind" if key == "name" and tags(config_class) else ""


def tags(config_class: type[Config]) -> tuple[str, ...]:
    """The values of `name` that select a member of a union."""
    field = config_class.model_fields.get("name")
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


def config_classes(annotation: Any) -> list[type[Config]]:
    """The config classes in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    return [found for argument in get_args(annotation) for found in config_classes(argument)]


def shown(value: Any) -> str:
    """A value in a table's cell; `...` where the composition lacks the key."""
    if value is ...:
        return "–"
    if value == "???":
        return "required"
    if isinstance(value, dict) and len(value) > 6:
        return f"{len(value)} entries"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if text else "empty"


def type_name(annotation: Any) -> str:
    """A type as a reader of YAML would say it, with its bounds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = ((sign, getattr(item, name, None)) for item in arguments[1:] for name, sign in BOUNDS.items())
        return ", ".join(
            [type_name(arguments[0]), *(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)]
        )
    if origin in (Union, UnionType):
        return "section" if config_classes(annotation) else " or ".join(map(type_name, arguments))
    if origin is Literal:
        return ", ".join(f"`{argument}`" for argument in arguments)
    kinds = [type_name(argument) for argument in arguments if argument is not ...]
    if origin is dict:
        return f"mapping from {kinds[0]} to {kinds[1]}"
    if origin not in (tuple, list):
        return "section" if config_classes(annotation) else NAMES.get(annotation, str(annotation))
    if len(set(kinds)) > 1:
        return f"[{', '.join(kinds)}]"
    count = f"{len(kinds)} " if origin is tuple and ... not in arguments else ""
    return f"list of {count}{kinds[0]}{'s' if kinds[0] in ('number', 'whole number', 'path', 'text') else ''}"


def _is_of(config_class: type[Config], values: Any) -> bool:
    names = tags(config_class)
    return isinstance(values, dict) and (not names or values.get("name") in names)
