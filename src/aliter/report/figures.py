"""Figures as SVG: small pure functions from numbers to a drawing that follows the colours of its page.

Series differ in dash, shape and label as well as in colour. All text is escaped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num
from markupsafe import Markup

from aliter.report.svg import (
    SERIES,
    Axes,
    Frame,
    Place,
    drawing,
    legend,
    number,
    point,
    short,
    tag,
    text,
    turned,
    wide,
    widest,
)

__all__ = ["Axes", "Band", "Cloud", "bands", "bars", "histogram", "interval", "matrix", "points", "scatter"]

_ROW = 40
_SLOPE = 0.72
"""Height of a text that is turned by 45 degrees, for its width."""
_CENTRED = "tick middle"
_FEW = 12
"""Values of a line that are marked one by one, if it has no more."""


@dataclass(frozen=True)
class Band:
    """A line with a band around it."""

    name: str
    x: Float[np.ndarray, " T"]
    low: Float[np.ndarray, " T"]
    middle: Float[np.ndarray, " T"]
    high: Float[np.ndarray, " T"]


@dataclass(frozen=True)
class Cloud:
    """Points of one name."""

    name: str
    rows: Num[np.ndarray, "N 2"]
    joined: bool = False
    """Whether a line leads from each point to the next."""


@dataclass(frozen=True)
class _Sheet:
    """Where the cells of a matrix lie on the drawing, in its units."""

    left: float
    top: float
    cell: float
    turned: bool
    """Whether the names of the columns are too long to lie flat."""

    @classmethod
    def around(
        cls, texts: Sequence[Sequence[str]], names: tuple[Sequence[str], Sequence[str]], labels: tuple[str, str]
    ) -> "_Sheet":
        parts = [part for line in texts for words in line for part in words.split("\n")]
        cell = max(52.0, widest(parts) + 14)
        beside, above = (min(widest(side), 240.0) for side in names)
        turned = above + 6 > cell
        return cls(beside + (34 if labels[0] else 14), above * _SLOPE + 30 if turned else 44.0, cell, turned)


def bands(series: Sequence[Band], axes: Axes, title: str) -> Markup:
    """Return lines with their bands, named below; lines of few values have each of them marked."""
    frame = Frame(axes, 50, 10, 300, 200)
    parts = [frame.grid()]
    for place, one in enumerate(series):
        colour = f"series-{place % SERIES}"
        across = [*zip(one.x, one.high, strict=True), *zip(one.x[::-1], one.low[::-1], strict=True)]
        middle = list(zip(one.x, one.middle, strict=True))
        parts.append(tag("path", {"class": f"band {colour}", "d": frame.line(across) + "Z"}))
        parts.append(tag("path", {"class": f"line {colour}", "d": frame.line(middle)}))
        if len(middle) <= _FEW:
            parts += [point(*frame.at(x, y), place) for x, y in middle if np.isfinite([x, y]).all()]
    names, bottom = legend(frame, [one.name for one in series], lines=True)
    return drawing(frame.left + frame.width + 14, bottom, [*parts, names], title)


def scatter(clouds: Sequence[Cloud], axes: Axes, title: str) -> Markup:
    """Return points over two axes, coloured and shaped by cloud, named below."""
    frame = Frame(axes, 50, 10, 300, 220)
    parts = [frame.grid()]
    for place, cloud in enumerate(clouds):
        rows = cloud.rows[np.isfinite(cloud.rows).all(axis=1)]
        if cloud.joined:
            parts.append(tag("path", {"class": f"line series-{place % SERIES}", "d": frame.line(rows)}))
        parts += [point(*frame.at(x, y), place) for x, y in rows]
    names, bottom = legend(frame, [cloud.name for cloud in clouds], lines=False)
    return drawing(frame.left + frame.width + 14, bottom, [*parts, names], title)


def histogram(values: Mapping[str, Num[np.ndarray, " N"]], edges: Sequence[float], x_label: str, title: str) -> Markup:
    """Return the share of each group of ``values`` between neighbouring ``edges``, as steps; NaN is left out."""
    shares = {}
    for name, rows in values.items():
        found = rows[np.isfinite(rows)]
        counts = np.histogram(found, edges)[0]
        shares[name] = counts / max(len(found), 1)
    most = max((float(rows.max()) for rows in shares.values() if len(rows)), default=0.0)
    frame = Frame(Axes(x_label, "share", (edges[0], edges[-1]), (0.0, 1.05 * most or 1.0)), 50, 10, 300, 200)
    parts = [frame.grid()]
    across = np.repeat(np.asarray(edges, float), 2)
    for place, rows in enumerate(shares.values()):
        steps = list(zip(across, [0.0, *np.repeat(rows, 2), 0.0], strict=True))
        parts.append(tag("path", {"class": f"band series-{place % SERIES}", "d": frame.line(steps) + "Z"}))
        parts.append(tag("path", {"class": f"line series-{place % SERIES}", "d": frame.line(steps)}))
    names, bottom = legend(frame, list(shares), lines=True)
    return drawing(frame.left + frame.width + 14, bottom, [*parts, names], title)


def matrix(
    values: Float[np.ndarray, "R C"],
    texts: Sequence[Sequence[str]],
    names: tuple[Sequence[str], Sequence[str]],
    labels: tuple[str, str],
    title: str,
) -> Markup:
    """Return a matrix whose cells are as strong as ``values``, in [0, 1]; NaN is an empty cell.

    ``texts`` stand in the cells, a second line of them smaller; ``names`` stand beside the rows and above the columns,
    and ``labels`` say what these are.
    """
    rows, columns = names
    sheet = _Sheet.around(texts, names, labels)
    parts = [
        text(sheet.left, 14, labels[1], "axis"),
        turned(13, sheet.top + _ROW / 2 * len(rows), labels[0], -90, "axis middle"),
    ]
    for place, name in enumerate(columns):
        x = sheet.left + (place + 0.5) * sheet.cell
        above = turned(x - 4, sheet.top - 8, name, -45) if sheet.turned else text(x, sheet.top - 10, name, _CENTRED)
        parts.append(above)
    for line, name in enumerate(rows):
        y = sheet.top + _ROW * line
        parts.append(text(sheet.left - 8, y + 25, name, "tick end"))
        for place in range(len(columns)):
            at = (sheet.left + place * sheet.cell, y, sheet.cell)
            parts.append(_cell(at, float(values[line, place]), texts[line][place]))
    spare = max(0.0, wide(columns[-1]) * _SLOPE - sheet.cell / 2) if sheet.turned and columns else 0.0
    width = max(sheet.left + sheet.cell * len(columns) + spare, sheet.left + wide(labels[1])) + 6
    return drawing(width, sheet.top + _ROW * len(rows) + 8, parts, title)


def bars(values: Mapping[str, float], span: tuple[float, float], title: str) -> Markup:
    """Return a horizontal bar for each of ``values``, over the range ``span``; NaN has none."""
    left = min(widest(values), 240) + 12
    scale = Frame(Axes("", "", span), left, 0, 260, 1)
    start = min(max(0.0, span[0]), span[1])
    parts = []
    for line, (name, value) in enumerate(values.items()):
        y = 26.0 * line + 6
        parts.append(text(left - 8, y + 13, name, "tick end"))
        if np.isfinite(value):
            a, b = sorted((scale.at(start, 0)[0], scale.at(float(np.clip(value, *span)), 0)[0]))
            parts.append(tag("rect", {"class": "bar", "x": a, "y": y, "width": max(b - a, 1), "height": 16}))
        parts.append(text(left + 268, y + 13, short(value), "tick"))
    return drawing(left + 320, 26.0 * len(values) + 6, parts, title)


def points(rows: Float[np.ndarray, "N 2"], groups: Sequence[str], title: str) -> Markup:
    """Return a map of ``rows``, coloured and shaped by group; both axes have the same scale and no unit."""
    low, high = rows.min(axis=0), rows.max(axis=0)
    reach = float(max(*(high - low), 1e-9))
    centre = (low + high) / 2
    names = list(dict.fromkeys(groups))
    parts = [
        point(200 + 380 * x, 200 - 380 * y, names.index(group))
        for (x, y), group in zip((rows - centre) / reach, groups, strict=True)
    ]
    for place, name in enumerate(names):
        parts += [point(420, 20 + 22 * place, place), text(432, 24.5 + 22 * place, name, "tick")]
    return drawing(440 + widest(names), max(400, 22 * len(names) + 30), parts, title)


def interval(value: float, low: float | None, high: float | None, span: tuple[float, float]) -> Markup:
    """Return a dot with its interval on a short scale over ``span``: what stands in a cell of a table."""
    scale = Frame(Axes("", "", span), 5, 0, 110, 1)
    parts = [tag("path", {"class": "grid", "d": "M5 9H115M5 5v8M115 5v8"})]
    if low is not None and high is not None and np.isfinite([low, high]).all():
        a, b = (scale.at(float(np.clip(end, *span)), 0)[0] for end in (low, high))
        parts.append(tag("path", {"class": "whisker", "d": f"M{number(a)} 9H{number(b)}"}))
    if np.isfinite(value):
        x = scale.at(float(np.clip(value, *span)), 0)[0]
        parts.append(tag("circle", {"class": "dot", "cx": x, "cy": 9, "r": 3.2}))
    return drawing(120, 18, parts, f"{short(value)} between {short(span[0])} and {short(span[1])}")


def _cell(place: tuple[Place, Place, Place], value: float, words: str) -> Markup:
    """Return one cell of a matrix, at x and y, so wide."""
    x, y, width = place
    box = {"x": x + 1, "y": y + 1, "width": width - 2, "height": 38, "rx": 3}
    if not np.isfinite(value):
        return tag("rect", {"class": "cell empty", **box})
    strength = 0.06 + 0.94 * float(np.clip(value, 0, 1))
    main, _, below = words.partition("\n")
    tone = "deep" if strength > 0.76 else "mid" if strength > 0.58 else "pale"
    middle = x + width / 2
    parts = [tag("rect", {"class": "cell", "fill-opacity": strength, **box})]
    parts.append(text(middle, y + (19 if below else 25), main, f"value middle {tone}"))
    if below:
        parts.append(text(middle, y + 32, below, f"below middle {tone}"))
    return Markup("").join(parts)
