"""One page that holds everything a run has to show, opens by double click and asks nothing of a network.

A room says what it shows in values; nothing of HTML, colours or scripts is its business:

>>> import numpy as np
>>> from aliter.report.figures import Axes, Cloud, scatter
>>> from aliter.report.gallery import Gallery, Item, Look, Map
>>> def items():  # taken one by one, when the page is written
...     for number, image in enumerate(np.random.default_rng(0).random((3, 1, 8, 8))):
...         yield Item(
...             id=f"test/{number}.tif", title=f"image {number}", subtitle="", facets={"cluster": str(number % 2)},
...             numbers={"distance": number / 10}, frames={"image": image}, place=(number, number**2),
...         )
>>> gallery = Gallery(items(), Look(("light",), (0, 255)), map=Map(("axis 1", "axis 2"), "cluster"))
>>> front = scatter([Cloud("chosen", np.array([[0.1, 0.2]]))], Axes("distance", "realism"), "the front")
>>> sections = (Section("Images", (gallery,), "What is seen."), Section("Numbers", (Drawing(front, "Front"),)))
>>> page = Page("Title", "One sentence.", "boundary", {"images": "3"}, sections, Provenance("seed: 0", {}))
>>> write_page(page, folder).name
'index.html'

Blocks of a section: ``Prose``, ``Table``, ``Drawing`` and ``Drawings`` (SVG, from ``report.figures``), ``Pictures``
(still or moving, from ``report.pictures``) and ``Gallery``. What a run says of itself is in ``report.summary``:
``provenance(run)``, ``stage_tables(run)``, ``headline(run, {figure: words})``.
"""

import json
import shutil
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from aliter.data.files import write_whole
from aliter.data.run import Figure
from aliter.report.figures import interval
from aliter.report.gallery import Gallery
from aliter.report.packing import Packing
from aliter.report.pictures import Pictures

_TEMPLATES = Path(__file__).parent / "templates"
_PARTS = (
    *("elements", "items", "pixels", "outlines", "growth", "state", "controls", "map", "gallery", "card", "viewer"),
    *("views", "pointers", "story", "judge", "address", "keys"),
)
_BEFORE, _AFTER = "aliterItem(", ");\n"
ONE_FILE_BYTES = 25_000_000
"""A page whose images take less is one file, which can be mailed; beyond, they lie beside it, one file an item."""


@dataclass(frozen=True)
class Prose:
    """Paragraphs, divided by blank lines."""

    text: str

    @property
    def paragraphs(self) -> list[str]:
        """The paragraphs."""
        return [part.strip() for part in self.text.split("\n\n") if part.strip()]


@dataclass(frozen=True)
class Table:
    """Rows under named columns; a cell is text, or a drawing as ``Markup``."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str | Markup]]
    caption: str = ""
    numeric: tuple[str, ...] = ()
    """Columns that are set flush right, in figures of one width."""


@dataclass(frozen=True)
class Drawing:
    """An SVG, made by ``report.figures``, under its title."""

    svg: Markup
    title: str
    caption: str = ""


@dataclass(frozen=True)
class Drawings:
    """Small multiples: drawings that are read against each other."""

    drawings: Sequence[Drawing]


Block = Prose | Table | Drawing | Drawings | Pictures | Gallery


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading of its own."""

    title: str
    blocks: Sequence[Block]
    lead: str = ""
    """One sentence that says what is seen."""


@dataclass(frozen=True)
class Provenance:
    """Where the page comes from."""

    config: str
    """As YAML, defaults filled in."""
    facts: Mapping[str, str]
    """Versions, seeds, devices, data: name and value."""

    @classmethod
    def of(cls, config: str, environment: Mapping[str, Any], facts: Mapping[str, str]) -> "Provenance":
        """Return it with what a run's ``environment.json`` says after the ``facts``."""
        said = {name: value for name, value in environment.items() if not isinstance(value, Mapping | list)}
        for inner in environment.values():
            said |= inner if isinstance(inner, Mapping) else {}
        devices = ", ".join(environment.get("devices", ())) or "cpu"
        return cls(config, {**facts, **{name: str(value) for name, value in said.items()}, "devices": devices})


@dataclass(frozen=True)
class Page:
    """What a run has to show."""

    title: str
    lead: str
    """One sentence, for a stranger: what is seen here."""
    workflow: str
    headline: Mapping[str, str]
    """The few numbers that matter: what they are, and their value as it is to be read."""
    sections: Sequence[Section]
    provenance: Provenance


def write_page(page: Page, folder: Path, one_file_bytes: int = ONE_FILE_BYTES) -> Path:
    """Write ``page`` to ``folder/index.html`` and return its path.

    Items are taken one by one and written as they come. If all of them take at most ``one_file_bytes``, they end up
    in the page itself and it is a single file; otherwise they are in ``folder/items``, read when they are shown.

    Raises
    ------
    RequestError
        If an item contradicts its gallery: shapes, channels, ids, names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fresh, items = folder / ".items.part", folder / "items"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        indices = _write_items(page, fresh)
        files = sorted(fresh.iterdir())
        inside = sum(path.stat().st_size for path in files) <= one_file_bytes
        if not inside:
            shutil.rmtree(items, ignore_errors=True)
            fresh.rename(items)
        path = folder / "index.html"
        write_whole(path, lambda part: _write_html(part, page, indices, files if inside else None))
        if inside:
            shutil.rmtree(items, ignore_errors=True)
        return path
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def figure_table(figures: Iterable[Figure]) -> Table:
    """Return the table of ``figures``: value, 95 % interval, how many images stand behind it, and what to mind."""
    rows = []
    for figure in figures:
        ends = figure.low is not None and figure.high is not None
        between = f"{_rounded(figure.low)} – {_rounded(figure.high)}" if ends else ""
        span = _span(figure)
        drawn = interval(figure.value, figure.low, figure.high, span) if span else Markup("")
        rows.append((figure.name, _rounded(figure.value), between, drawn, f"{figure.images:,}", figure.note))
    columns = ("measure", "value", "95 % interval", "scale", "images", "note")
    return Table(columns, rows, numeric=("value", "95 % interval", "images"))


def safe_json(value: Any) -> str:
    """Return ``value`` as JSON that may stand inside a script element: no ``<`` ends it, no line end splits it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def galleries(page: Page) -> list[Gallery]:
    """Return the galleries of ``page``, in order."""
    return [block for section in page.sections for block in section.blocks if isinstance(block, Gallery)]


def _write_items(page: Page, folder: Path) -> list[dict[str, Any]]:
    """Write the items of all galleries into ``folder``; return an index for each gallery."""
    indices = []
    for place, gallery in enumerate(galleries(page)):
        packing = Packing(gallery)
        for number, payload in enumerate(packing.payloads()):
            text = f"{_BEFORE}{place},{number},{safe_json(payload)}{_AFTER}"
            (folder / f"{place}-{number:06}.js").write_text(text, encoding="ascii")
        indices.append(packing.index())
    return indices


def _write_html(path: Path, page: Page, indices: list[dict[str, Any]], files: list[Path] | None) -> None:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["of"] = lambda block, name: type(block).__name__ == name
    style, script = _asset("report.css"), _script()
    stream = environment.get_template("report.html").stream(
        page=page,
        policy=_policy(style, script, files is not None),
        style=Markup(style),
        script=Markup(script),
        indices=[Markup(safe_json({**index, "inside": files is not None})) for index in indices],
        payloads=_read_items(files or []),
    )
    stream.enable_buffering(32)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(stream)


def _read_items(files: Iterable[Path]) -> Iterator[tuple[str, Markup]]:
    """Yield the name and the JSON of each item that was written."""
    for file in files:
        place, number = file.stem.split("-")
        text = file.read_text(encoding="ascii")[len(_BEFORE) : -len(_AFTER)]
        yield f"{place}-{int(number)}", Markup(text.split(",", 2)[2])


def _policy(style: str, script: str, inside: bool) -> str:
    """Return the Content-Security-Policy: what is written here may run, nothing else, and nothing may be fetched."""
    trusted = f"'{_digest(script)}'" + ("" if inside else " 'strict-dynamic'")
    return (
        f"default-src 'none'; script-src {trusted}; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _script() -> str:
    """Return the parts of the script as one, in the order in which they build on each other."""
    parts = "\n".join(_asset(f"script/{name}.js") for name in _PARTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _rounded(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.4g}".replace("-", "−")


def _span(figure: Figure) -> tuple[float, float] | None:
    """Return the scale of a share or of a correlation; None for what has no natural ends."""
    ends = [end for end in (figure.value, figure.low, figure.high) if end is not None and np.isfinite(end)]
    if not ends or min(ends) < -1 or max(ends) > 1:
        return None
    return (0.0, 1.0) if min(ends) >= 0 else (-1.0, 1.0)
