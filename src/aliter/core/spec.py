"""Choices that YAML can name: methods, blueprints and configs."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, ValidationError
from pydantic_core import ErrorDetails

from aliter.core.errors import ConfigError
from aliter.core.yaml import line_of, read_yaml, write_yaml


@dataclass(frozen=True)
class Mark:
    """How a field counts when a stage is asked whether its result still holds."""

    name: str


Neutral = Mark("neutral")
"""Changes no number: never part of a key."""
Extends = Mark("extends")
"""Raising it continues where the stage stopped; anything else is another result."""


class Spec(BaseModel):
    """A frozen choice: a method (it can be called), a blueprint (it has ``build``) or a config."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    numbers: ClassVar[int] = 1
    """Raised when the numbers that it makes change; part of every key."""

    @classmethod
    def read(cls, path: Path) -> "Spec":
        """Return the one written in the YAML file ``path``.

        Raises
        ------
        ConfigError
            With file, line, key, and the nearest right key where there is one.
        """
        values, node = read_yaml(path)
        return cls.parse(values, path, node)

    @classmethod
    def parse(cls, values: dict[str, Any], path: Path, node: yaml.Node | None = None) -> "Spec":
        """Return the one that ``values`` describe; ``path`` and ``node`` are named in errors."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            details = [
                detail for detail in error.errors() if not any("lax-or-strict" in str(part) for part in detail["loc"])
            ]
            lines = [_sentence(cls, detail, path, node) for detail in details or error.errors()]
            raise ConfigError("\n".join(dict.fromkeys(lines))) from error

    def write(self, path: Path) -> None:
        """Write it, defaults filled in, as YAML that ``read`` reads back equal."""
        path.write_text(write_yaml(self.model_dump(mode="json")), encoding="utf-8")


def _members(annotation: Any) -> Iterable[type[BaseModel]]:
    """Yield the models that ``annotation`` admits."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, Annotated, tuple, list, dict):
        for part in get_args(annotation):
            yield from _members(part)


def _owner(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[list[type[BaseModel]], tuple[int | str, ...]]:
    """Return the models that own the last key of ``loc``, and ``loc`` without the tags of unions."""
    models, path = [model], []
    for part in loc[:-1]:
        inner = [one.model_fields[str(part)] for one in models if part in one.model_fields]
        if inner:
            path.append(part)
            models = [member for field in inner for member in _members(field.annotation)]
        elif isinstance(part, int):
            path.append(part)
        else:
            models = [one for one in models if part in _tags(one)] or models
            if not any(part in _tags(one) for one in models):
                path.append(part)
    return models, (*path, *loc[-1:])


def _tags(model: type[BaseModel]) -> tuple[object, ...]:
    """Return the names by which a union knows ``model``."""
    kinds = [model.model_fields[name].default for name in ("kind", "simulate") if name in model.model_fields]
    return (*kinds, model.__name__)


def _sentence(model: type[BaseModel], detail: ErrorDetails, path: Path, node: yaml.Node | None) -> str:
    """Return one plain sentence for one finding of pydantic's."""
    models, loc = _owner(model, detail["loc"])
    place = f"{path}:{line_of(node, loc)}" if node is not None else str(path)
    name = ".".join(str(part) for part in loc)
    known = sorted({field for one in models for field in one.model_fields})
    match detail["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(loc[-1]), known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(known)}"
            return f"{place}: {name}: unknown key; {hint}"
        case "missing":
            return f"{place}: {name}: missing; give it a value"
        case _:
            found = "" if isinstance(detail["input"], dict) else f", found {detail['input']!r}"
            return f"{place}: {name}: {detail['msg']}{found}"


def marked(model: type[BaseModel], name: str, mark: Mark) -> bool:
    """Return whether the field ``name`` of ``model`` bears ``mark``."""
    return mark in model.model_fields[name].metadata


def kind_or(default: str) -> Discriminator:
    """Return what tells specs apart by their ``kind``; a value that does not say is of the ``default`` kind."""

    def kind(value: Any) -> str:
        return str(value.get("kind", default) if isinstance(value, Mapping) else getattr(value, "kind", ""))

    return Discriminator(kind)
