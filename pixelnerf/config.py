"""Validation of composed configuration: one clear line per mistake, with the nearest valid key."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, InstanceOf, SerializeAsAny, ValidationError
from pydantic_core import ErrorDetails

from pixelnerf.errors import UserError


class Config(BaseModel):
    """Base of every config class: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyConfig: TypeAlias = SerializeAsAny[InstanceOf[Config]]
"""A section validated elsewhere, such as a dataset's by its reader; dumped whole."""

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
    parts = _written_parts(config_class, [str(part) for part in detail["loc"]])
    key = ".".join([where, *parts] if where else parts)
    if detail["type"] == "extra_forbidden":
        parents = [config_class]
        for part in detail["loc"][:-1]:
            parents = [child for parent in parents for child in _child_classes(parent, str(part))]
        known = sorted({name for parent in parents for name in parent.model_fields})
        return f"unknown config key '{key}'{nearest(str(detail['loc'][-1]), known)}"
    if detail["type"] == "missing":
        return f"config key '{key}' is missing; set it with {key}=VALUE"
    message = detail["msg"].removeprefix("Value error, ")
    return f"config key '{key}' = {detail['input']!r}: {message[0].lower()}{message[1:]}"


def _written_parts(config_class: type[Config], location: list[str]) -> list[str]:
    """The location as written in YAML, without the tags that pydantic inserts for discriminated unions."""
    parts = []
    parents = [config_class]
    for part in location:
        tags = {tag for parent in parents if "name" in parent.model_fields for tag in _literals(parent)}
        if part not in tags or any(part in parent.model_fields for parent in parents):
            parts.append(part)
        parents = [child for parent in parents for child in _child_classes(parent, part)]
    return parts


def _literals(config_class: type[Config]) -> tuple[Any, ...]:
    return get_args(config_class.model_fields["name"].annotation)


def _child_classes(parent: type[Config], name: str) -> list[type[Config]]:
    """The config classes that an error's location leads to by `name`."""
    field = parent.model_fields.get(name)
    if field is None:
        # A discriminated union's tag, which is no key.
        return [parent]
    return _config_classes(field.annotation)


def _config_classes(annotation: Any) -> list[type[Config]]:
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, Annotated, list, tuple, dict):
        return [found for argument in get_args(annotation) for found in _config_classes(argument)]
    return []
