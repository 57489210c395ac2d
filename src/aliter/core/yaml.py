"""YAML as people mean it: safe, without duplicates, ``NO`` a word and ``1e-3`` a number."""

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from aliter.core.errors import ConfigError

_LIMIT = 100_000


class _Loader(yaml.SafeLoader):
    """The core schema of YAML 1.2 on a loader that makes plain values only."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^(?:[-+]?[0-9]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf)|\.(?:nan|NaN))$",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def _construct_int(loader: yaml.SafeLoader, node: Any) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 16) if text.lower().startswith("0x") else int(text)


def _construct_float(loader: yaml.SafeLoader, node: Any) -> float:
    return float(str(loader.construct_scalar(node)).lower().replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def _walk(node: yaml.Node, path: Path, budget: Iterator[int]) -> None:
    """Refuse duplicate keys, and documents that unfold to more than a config can need."""
    if next(budget, None) is None:
        raise ConfigError(
            f"{path}: expected a config, found aliases that unfold to over {_LIMIT} values; write it plainly"
        )
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _walk(item, path, budget)
    if isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ConfigError(f"{path}:{line}: {key.value}: key given twice; keep one of them")
            seen.add(key.value if isinstance(key.value, str) else id(key))
            _walk(value, path, budget)


def read_yaml(path: Path) -> tuple[dict[str, Any], yaml.Node]:
    """Return the mapping in the file ``path`` and its node tree, which knows the lines.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, names Python objects, repeats a key or is not a mapping.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: expected a config file, found none; check the path")
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_Loader)
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path}: expected a mapping of keys to values, found none; see 'aliter init'")
        _walk(node, path, iter(range(_LIMIT)))
        return yaml.load(text, Loader=_Loader), node
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not plain YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not plain YAML: {error}") from error


def line_of(node: yaml.Node, loc: tuple[int | str, ...]) -> int:
    """Return the line, from 1, at which the value at ``loc`` stands, or the deepest part of it that is there."""
    line = node.start_mark.line + 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                continue
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def write_yaml(values: dict[str, Any]) -> str:
    """Return ``values`` as YAML that ``read_yaml`` reads back the same."""
    return str(
        yaml.dump(values, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
    )


class _Dumper(yaml.SafeDumper):
    """Writes what the loader reads: the same resolvers decide what needs quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
