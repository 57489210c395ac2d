"""A first config for images that are there: every choice with a word on what it is, and what was left at default."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from jaxtyping import Shaped

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.core.yaml import write_yaml
from aliter.data.scan import Scan, scan
from aliter.workflows import WORKFLOWS, workflow
from aliter.workflows.gather import require_planes

Fitted = tuple[Mapping[str, Any], str]
"""Values of a config, by key, and a sentence on the images that they were chosen for."""
_WIDTH = 112
_LOOKED_AT = 12
"""Images of each class whose intensities are looked at."""
_DEPTHS = (8, 10, 12, 14, 16)


def first_config(name: str, images: Path) -> str:
    """Return a commented config of the workflow ``name`` for ``images``, as YAML.

    What a room fits to its images is decided in its own ``initial.py``; without one only the images are named.

    Raises
    ------
    RequestError
        If there is no such workflow, or no images.
    DataError
        If any image cannot be used.
    """
    known: type[Spec] = workflow(name).Config
    place = f"{WORKFLOWS[name]}.initial"
    fit: Callable[[Path], Fitted] = import_module(place).fitted if find_spec(place) else _named
    values, sentence = fit(images)
    values = {"workflow": name, "images": str(images), **values}
    config = known.parse(dict(values), images)
    head = [
        f"# yaml-language-server: $schema={name}.schema.json",
        f"# For an editor that completes and checks: aliter schema {name} > {name}.schema.json",
        *(f"# {line}" for line in wrap(sentence, _WIDTH)),
        "# A line that begins with '# name:' shows a default.",
    ]
    return "\n".join([*head, *_lines(config, values, 0)]) + "\n"


def scanned(images: Path) -> tuple[Scan, int]:
    """Return what is in ``images``, square and without depth, and their pixels a side.

    Raises
    ------
    RequestError
        If there are none, or they are not square planes.
    DataError
        If any cannot be used.
    """
    found = scan(images)
    return found, side_of(found)


def side_of(found: Scan) -> int:
    """Return the pixels a side of what was found, which is square and without depth; raise as ``scanned`` does."""
    picture = found.checked()
    require_planes(picture.shape)
    _, height, width = picture.shape
    if height != width:
        raise RequestError(f"expected square images, found {height}x{width}; crop or pad them")
    return height


def range_of(found: Scan) -> list[float]:
    """Return the range of the smallest depth that holds what was found; of floats what was found."""
    chosen = [one[:: max(1, len(one) // _LOOKED_AT)] for one in found.ids]
    return depth_of([found.read(name) for names in chosen for name in names])


def depth_of(seen: Sequence[Shaped[np.ndarray, "..."]]) -> list[float]:
    """Return the range of the smallest depth that holds what was ``seen``; of floats what was seen."""
    dtype = seen[0].dtype
    low, high = min(float(one.min()) for one in seen), max(float(one.max()) for one in seen)
    if np.issubdtype(dtype, np.floating):
        return [low, high if high > low else low + 1]
    if np.iinfo(dtype).min < 0:
        return [float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)]
    return [0.0, float(next((2**bits - 1 for bits in _DEPTHS if high < 2**bits), np.iinfo(dtype).max))]


def _named(images: Path) -> Fitted:
    return {}, f"Images: {images}."


def _lines(spec: Spec, values: Mapping[str, Any], depth: int) -> Iterator[str]:
    """Yield the fields of ``spec``: those in ``values`` as they are, the others as comments."""
    indent = "  " * depth
    for name, field in type(spec).model_fields.items():
        value = getattr(spec, name)
        if name not in values and depth > 1:
            continue
        text = " ".join((field.description or "").replace("``", "").split())
        if text:
            yield from [""] * (depth < 2)
            yield from (f"{indent}# {line}" for line in wrap(text, _WIDTH - len(indent)))
        if isinstance(value, Spec) and isinstance(values.get(name), Mapping):
            yield f"{indent}{name}:"
            yield from _lines(value, values[name], depth + 1)
        else:
            mark = "" if name in values else "# "
            yield from (f"{indent}{mark}{line}" for line in _written(name, values.get(name, value)))


def _written(name: str, value: Any) -> list[str]:
    plain = Plain(value=value).model_dump(mode="json")["value"]
    lines = write_yaml({name: plain}).rstrip().splitlines()
    return [lines[0][1:-1]] if lines[0].startswith("{") else lines


class Plain(Spec):
    """Any value of a config."""

    value: Any
