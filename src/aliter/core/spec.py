"""Choices that YAML can name: methods, blueprints and configs."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Tag, ValidationError
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


_Own = TypeVar("_Own", bound="Spec")


class Spec(BaseModel):
    """A frozen choice: a method (it can be called), a blueprint (it has ``build``) or a config."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    numbers: ClassVar[int] = 1
    """Raised when the numbers that it makes change; part of every key."""

    @classmethod
    def read(cls: type[_Own], path: Path) -> _Own:
        """Return the one written in the YAML file ``path``.

        Raises
        ------
        ConfigError
            With file, line, key, and the nearest right key where there is one.
        """
        values, node = read_yaml(path)
        return cls.parse(values, path, node)

    @classmethod
    def parse(cls: type[_Own], values: dict[str, Any], path: Path, node: yaml.Node | None = None) -> _Own:
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


def _branches(annotation: Any) -> Iterable[tuple[object, Any]]:
    """Yield the members of unions in ``annotation``, each with what errors call it."""
    parts, united = get_args(annotation), get_origin(annotation) in (Union, UnionType)
    for part in parts:
        tags = [one.tag for one in getattr(part, "__metadata__", ()) if isinstance(one, Tag)]
        if tags:
            yield tags[-1], get_args(part)[0]
        elif united and isinstance(part, type) and issubclass(part, BaseModel):
            fields = part.model_fields
            yield from ((fields[name].default, part) for name in ("kind", "simulate") if name in fields)
            yield part.__name__, part
        else:
            yield from _branches(part)


def _owner(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[list[type[BaseModel]], tuple[int | str, ...]]:
    """Return the models that own the last key of ``loc``, and ``loc`` without what unions call their members."""
    here: list[Any] = [model]
    owners, path = [model], []
    for part in loc:
        if chosen := [member for one in here for tag, member in _branches(one) if tag == part]:
            here = chosen
            continue
        path.append(part)
        owners = [member for one in here for member in _members(one)]
        here = [one.model_fields[part].annotation for one in owners if part in one.model_fields] or here
    return owners, tuple(path)


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


def path_or(*keys: str) -> Discriminator:
    """Return what tells a ``path`` from specs of which each has a key of its own; a value with none is the last."""

    def key(value: Any) -> str:
        if isinstance(value, str | Path):
            return "path"
        known = value if isinstance(value, Mapping) else getattr(value, "__dict__", ())
        return next((one for one in keys if one in known), keys[-1])

    return Discriminator(key)
