"""Validation of composed configuration: one clear line per mistake, with the nearest valid key."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, SerializeAsAny, ValidationError
from pydantic_core import ErrorDetails

from pixelnerf.errors import UserError


class Config(BaseModel):
    """Base of every config class: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _meant_path(value: Any) -> Any:
    if value == "":
        raise ValueError("a path is empty; give one, or null where there may be none")
    return Path(value).expanduser() if isinstance(value, str) and value.startswith("~/") else value


WrittenPath: TypeAlias = Annotated[Path, BeforeValidator(_meant_path)]
"""A path as people write it: `~/` is their home, and "", which `Path` takes for the current folder, is a mistake."""

AnyConfig: TypeAlias = SerializeAsAny[InstanceOf[Config]]
"""A section validated elsewhere, such as a dataset's by its reader; dumped whole."""

LONGEST_VALUE = 100
"""Longer values are left out of messages: a line has to say one thing."""

ConfigType = TypeVar("ConfigType", bound=Config)


def parse_config(config_class: type[ConfigType], values: Mapping[str, Any], where: str) -> ConfigType:
    """Validates plain values against a config class.

    `where` is the dotted key of `values` in the whole configuration ("model", "dataset"), for messages.

    Raises:
        UserError: names the first offending key, its value, and the nearest valid key if the key is unknown.
    """
    try:
        return config_class.model_validate(values)
    except ValidationError as error:
        raise UserError(_describe(config_class, error, where)) from None


def nearest(word: str, candidates: list[str]) -> str:
    """A hint such as "; did you mean 'width'?", or a list of all candidates."""
    close = get_close_matches(word, candidates, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(sorted(candidates))}"


def _describe(config_class: type[Config], error: ValidationError, where: str) -> str:
    details = error.errors(include_url=False)
    # An unknown key is nearly always the cause of the missing one beside it.
    first = next((detail for detail in details if detail["type"] == "extra_forbidden"), details[0])
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return _describe_one(config_class, first, where) + more


def _describe_one(config_class: type[Config], detail: ErrorDetails, where: str) -> str:
    written, known = _follow(config_class, [str(part) for part in detail["loc"]])
    key = ".".join([where, *written] if where else written)
    if detail["type"] == "extra_forbidden":
        return f"unknown config key '{key}'{nearest(str(detail['loc'][-1]), known)}"
    if detail["type"] == "missing":
        return f"config key '{key}' is missing; set it with {key}=VALUE"
    message = detail["msg"].removeprefix("Value error, ")
    # Pydantic's own sentences begin with a capital; an acronym of ours keeps its own.
    if message[1:2].islower():
        message = message[0].lower() + message[1:]
    value = repr(detail["input"])
    if len(value) > LONGEST_VALUE:
        # What a whole section breaks is a rule between its keys, and the message names these.
        return f"config key '{key}': {message}" if key else f"config: {message}"
    return f"config key '{key}' = {value}: {message}"


def _follow(config_class: type[Config], location: list[str]) -> tuple[list[str], list[str]]:
    """An error's location as written in YAML, and the keys known at its end.

    Pydantic inserts the tags of discriminated unions, which are no keys: a tag is the `name` of one of its classes.
    """
    written: list[str] = []
    known: set[str] = set()
    classes = [config_class]
    for part in location:
        known = {name for one in classes for name in one.model_fields}
        names = [one.model_fields["name"].annotation for one in classes if "name" in one.model_fields]
        if part in known or not any(part in get_args(name) for name in names):
            written.append(part)
        if part in known:
            fields = [one.model_fields[part] for one in classes if part in one.model_fields]
            classes = [found for field in fields for found in _config_classes(field.annotation)]
    return written, sorted(known)


def _config_classes(annotation: Any) -> list[type[Config]]:
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, Annotated, list, tuple, dict):
        return [found for argument in get_args(annotation) for found in _config_classes(argument)]
    return []
