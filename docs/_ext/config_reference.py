"""Writes the configuration pages from the pydantic models and the composed YAML, when a build begins.

A page is a root model: one table for every section below it, a row a key, with its type, its doc line (from the
docstring's `Attributes:`, else the comment beside the key in YAML) and the value that the YAML files give it.
"""

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from sphinx.application import Sphinx

from pixelnerf.config import Config

REPOSITORY = Path(__file__).resolve().parents[2]
CONF = REPOSITORY / "conf"
FOLDER = "_generated/configuration"

Values = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """Values of one composition, under a heading; `values` is the plain mapping of the section that is described."""

    heading: str
    values: Values


@dataclass(frozen=True)
class Page:
    """A root model and the compositions whose values are shown. `intro` and `rest` are Markdown."""

    name: str
    title: str
    intro: str
    sections: tuple[tuple[str, type[Config], tuple[Column, ...]], ...]
    rest: str = ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Writes the pages before Sphinx looks for sources."""
    app.connect("config-inited", lambda app, config: write_pages(Path(app.srcdir) / FOLDER))
    return {"parallel_read_safe": True}


def write_pages(folder: Path) -> None:
    """One Markdown file a page; a file that would not change is left alone, so builds stay incremental."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in pages():
        path, text = folder / f"{page.name}.md", render(page)
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def pages() -> Iterator[Page]:
    """All pages. Imports wait until here, since the models pull in torch."""
    from datasets import registry
    from datasets.inspection.run import InspectionConfig
    from pixelnerf.benchmark.config import BenchmarkConfig
    from pixelnerf.evaluation.protocol import GroupConfig, ProtocolConfig
    from pixelnerf.evaluation.run import EvaluationConfig
    from pixelnerf.model.config import ModelConfig
    from pixelnerf.training.experiment import ExperimentConfig
    from pixelnerf.training.refiner.experiment import RefinerExperimentConfig

    training = compose("config")
    yield Page(
        "training",
        "Training",
        "What `train.py` composes: `conf/config.yaml` and the groups it names. An experiment "
        "(`experiment=NAME`, a file in `conf/experiment/`) overrides any of it.",
        (("", ExperimentConfig, (Column("default", training),)),),
    )
    models = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
    composed = [Column(name, compose("config", f"model={name}")["model"]) for name in models]
    yield Page(
        "models",
        "Models",
        "The section `model`, with one column for each file in `conf/model/`. A dash marks a key that the model does "
        "not have.",
        (("model", ModelConfig, tuple(composed)),),
    )
    yield Page(
        "datasets",
        "Datasets",
        "The section `dataset`, one table a reader. Columns are the files in `conf/dataset/` that use the reader. "
        "[Data](../../data/index.md) describes each layout on disk.",
        tuple(_readers(registry)),
    )
    refiners = [Column(name, compose("config", f"experiment=refine_{name}")) for name in ("codebook", "reference")]
    yield Page(
        "refiners",
        "Refiners",
        "What `train.py experiment=refine_codebook` and `refine_reference` compose.",
        (("", RefinerExperimentConfig, tuple(refiners)),),
    )
    evaluation = compose("eval_fewshot")
    yield Page(
        "evaluation",
        "Evaluation",
        "What `eval_fewshot.py` composes. A protocol brings its dataset.",
        (("", EvaluationConfig, (Column("default", evaluation),)),),
    )
    names = sorted(path.stem for path in (CONF / "protocol").glob("*.yaml") if path.stem != "base")
    yield Page(
        "protocols",
        "Protocols in full",
        "The section `protocol` of every file in `conf/protocol/`, resolved. [Protocols](../../protocols.md) says what "
        "they are for.",
        (("protocol", ProtocolConfig, ()), ("protocol.groups.NAME", GroupConfig, ())),
        "".join(
            f"## `{name}`\n\n```yaml\n{_yaml(compose('eval_fewshot', f'protocol={name}')['protocol'])}```\n\n"
            for name in names
        ),
    )
    yield Page(
        "tools",
        "Inspection and benchmark",
        "What `scripts/inspect_dataset.py` and `scripts/benchmark.py` compose.",
        (
            ("inspect_dataset", InspectionConfig, (Column("default", compose("inspect_dataset")),)),
            ("benchmark", BenchmarkConfig, (Column("default", compose("benchmark")),)),
        ),
    )


def compose(config_name: str, *overrides: str) -> Values:
    """A composed configuration as plain values; what only a run knows stays a placeholder."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base=None, config_dir=str(CONF)):
        config = hydra.compose(config_name, overrides=list(overrides))
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict), "a composed configuration is a mapping"
    return {str(key): value for key, value in plain.items()}


def render(page: Page) -> str:
    """A page as Markdown."""
    comments = yaml_comments()
    lines = [f"# {page.title}", "", page.intro, ""]
    for title, config_class, columns in page.sections:
        lines += _section(title, config_class, columns, comments)
    return "\n".join([*lines, page.rest]).rstrip() + "\n"


def _yaml(values: Values) -> str:
    return yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100)


def _readers(registry: Any) -> Iterator[tuple[str, type[Config], tuple[Column, ...]]]:
    files = {path.stem: compose("config", f"dataset={path.stem}")["dataset"] for path in CONF.glob("dataset/*.yaml")}
    for config_class in config_classes(registry.DatasetConfig):
        (tag,) = get_args(config_class.model_fields["name"].annotation)
        columns = [Column(name, values) for name, values in sorted(files.items()) if values["name"] == tag]
        yield tag, config_class, tuple(columns)


def _section(
    path: str, config_class: type[Config], columns: tuple[Column, ...], comments: dict[str, str], depth: int = 2
) -> list[str]:
    """A table of the plain keys of a model, then the sections of its sub-models."""
    lines = [f"{'#' * min(depth, 4)} {'`' + path + '`' if path else 'Top level'}", ""]
    if text := summary(config_class):
        lines += [text, ""]
    headings = [column.heading for column in columns] if len(columns) > 1 else ["value in YAML"][: len(columns)]
    rows, children = [], []
    docs, notes = attribute_docs(config_class), own_notes(config_class)
    for key, field in config_class.model_fields.items():
        key_path = f"{path}.{key}" if path else key
        nested = [child for child in config_classes(field.annotation) if child is not Config]
        values = [column.values.get(key, MISSING) for column in columns]
        if nested and not is_collection(field.annotation) and key not in ("dataset", "model", "original", "protocol"):
            children.append((key_path, nested, key))
            continue
        note = docs.get(key) or notes.get(key) or comments.get(_yaml_key(key_path), "")
        if key in ("dataset", "model", "original", "protocol") and (nested or key == "dataset"):
            rows.append([f"`{key}`", "section", ELSEWHERE[key], *["" for _ in values]])
            continue
        kind = type_name(field.annotation, field.metadata)
        rows.append([f"`{key}`", kind, note, *[_shown(value) for value in values]])
    if rows:
        lines += ["{.keys}", "| " + " | ".join(["key", "type", "meaning", *headings]) + " |"]
        lines += ["|" + "---|" * (3 + len(headings))]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows] + [""]
    for key_path, nested, key in children:
        for child in nested:
            mine = [
                Column(column.heading, part) for column in columns if (part := _part(column, key, child)) is not None
            ]
            if mine or len(columns) == 0 or len(nested) == 1:
                lines += _section(key_path, child, tuple(mine), comments, depth + 1)
    return lines


class _Missing:
    pass


MISSING = _Missing()
ELSEWHERE = {
    "dataset": "see [Datasets](datasets.md)",
    "model": "see [Models](models.md)",
    "original": "see [Models](models.md): what the benchmark compares with",
    "protocol": "see [Protocols in full](protocols.md)",
}


def _part(column: Column, key: str, child: type[Config]) -> Values | None:
    """The mapping under a key, if it is of this class (a union's members are told apart by `name`)."""
    values = column.values.get(key)
    if not isinstance(values, dict):
        return None
    tag = child.model_fields.get("name")
    names = get_args(tag.annotation) if tag is not None and get_origin(tag.annotation) is Literal else ()
    return values if not names or values.get("name") in names else None


def _shown(value: Any) -> str:
    if value is MISSING:
        return "–"
    if isinstance(value, str) and "${" in value:
        return f"`{value}`"
    if value == "???":
        return "required"
    if isinstance(value, dict) and len(value) > 6:
        return f"{len(value)} entries"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return f"`{text}`" if text else "empty"


def summary(config_class: type[Config]) -> str:
    """The docstring without its sections, on one line a paragraph."""
    doc = inspect.cleandoc(config_class.__doc__ or "")
    return re.split(r"^(?:Attributes|Raises|Args):$", doc, flags=re.MULTILINE)[0].strip()


def attribute_docs(config_class: type[Config]) -> dict[str, str]:
    """The lines of `Attributes:` by key, those of base classes included."""
    found: dict[str, str] = {}
    for cls in reversed(config_class.__mro__):
        if not (isinstance(cls, type) and issubclass(cls, Config)) or cls is Config:
            continue
        doc = inspect.cleandoc(cls.__doc__ or "")
        parts = re.split(r"^Attributes:$", doc, flags=re.MULTILINE)
        if len(parts) > 1:
            entries = re.findall(r"^    (\w+): ((?:.|\n(?!    \w+:|\S))*)", parts[1], flags=re.MULTILINE)
            found |= {key: " ".join(text.split()) for key, text in entries}
    return found


@cache
def all_notes() -> dict[str, dict[str, str]]:
    """Notes on keys whose docstring has none, by the class that defines them."""
    return yaml.safe_load(Path(__file__).with_name("notes.yaml").read_text("utf-8"))


def own_notes(config_class: type[Config]) -> dict[str, str]:
    """The notes on a class's keys, those of its bases included."""
    found: dict[str, str] = {"name": "selects this kind"} if _is_tagged(config_class) else {}
    for cls in reversed(config_class.__mro__):
        found |= all_notes().get(cls.__name__.split("[")[0], {})
    return found


def _is_tagged(config_class: type[Config]) -> bool:
    field = config_class.model_fields.get("name")
    return field is not None and get_origin(field.annotation) is Literal


def config_classes(annotation: Any) -> list[type[Config]]:
    """The config classes in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    return [found for argument in get_args(annotation) for found in config_classes(argument)]


def is_collection(annotation: Any) -> bool:
    """Whether sub-models are under keys of the user's own choice (groups, parts)."""
    if get_origin(annotation) in (dict, list, tuple):
        return True
    return any(is_collection(argument) for argument in get_args(annotation))


def type_name(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    """A type as a reader of YAML would say it, with its bounds."""
    bounds = [f"{sign} {getattr(item, name)}" for item in metadata for name, sign in BOUNDS if hasattr(item, name)]
    lengths = [f"at least {item.min_length}" for item in metadata if isinstance(item, annotated_types.MinLen)]
    return ", ".join([_plain_type(annotation), *bounds, *lengths])


BOUNDS = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))


def _plain_type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0], arguments[1:])
    if config_classes(annotation) and origin in (None, Union, UnionType):
        return "section"
    if origin in (Union, UnionType):
        return " or ".join(_plain_type(argument) for argument in arguments)
    if origin is Literal:
        return ", ".join(f"`{argument}`" for argument in arguments)
    if origin is dict:
        return f"mapping from {_plain_type(arguments[0])} to {_plain_type(arguments[1])}"
    if origin in (tuple, list):
        kinds = [argument for argument in arguments if argument is not Ellipsis]
        if len(set(kinds)) == 1:
            count = "" if Ellipsis in arguments or origin is list else f"{len(kinds)} "
            return f"list of {count}{PLURALS.get(_plain_type(kinds[0]), _plain_type(kinds[0]))}"
        return "[" + ", ".join(_plain_type(kind) for kind in kinds) + "]"
    names = {bool: "true or false", float: "number", int: "whole number", str: "text", Path: "path", NoneType: "null"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


PLURALS = {"number": "numbers", "whole number": "whole numbers", "path": "paths", "text": "texts"}


def yaml_comments() -> dict[str, str]:
    """The comments beside keys in `conf/`, by dotted key; sources ("code: ...") stay in the files."""
    found: dict[str, str] = {}
    for path in sorted(CONF.rglob("*.yaml")):
        group = path.relative_to(CONF).parts[0] if path.parent != CONF else ""
        if group in ("experiment", "variant"):
            continue
        stack: list[tuple[int, str]] = []
        for line in path.read_text("utf-8").splitlines():
            entry = re.match(r"^( *)(\w+):(?:\s+(.*))?$", line)
            if entry is None:
                continue
            indent = len(entry[1])
            stack = [(depth, name) for depth, name in stack if depth < indent] + [(indent, entry[2])]
            comment = re.search(r"(?:^|\s)#\s+(.+)$", entry[3] or "")
            if comment is not None and not re.match(r"(code|paper)\b", comment[1]):
                names = [name for _, name in stack]
                is_section = group and group not in (names[0], "protocol")
                found.setdefault(_yaml_key(".".join([group, *names] if is_section else names)), comment[1])
    return found


def _yaml_key(path: str) -> str:
    """Keys of refiners' trainer and of readers are looked up by their last two parts."""
    return ".".join(path.split(".")[-2:])
