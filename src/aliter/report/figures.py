"""Figures as SVG: small pure functions from numbers to a drawing that follows the colours of its page.

Nothing here has a style of its own: shapes carry classes, the page's style sheet gives them colours, light or dark.
Series differ in dash and label as well as in colour. All text is escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

_GLYPH_EM = 0.54
"""Mean width of a glyph; text is never measured, so margins are estimates on the safe side."""
_Place = int | float
_FONT = 13
_ROW = 40
_SLOPE = 0.72
"""Height of a text that is turned by 45 degrees, for its width."""
_CENTRED = "tick middle"
_LONGEST = 40
"""Glyphs of the longest text that is not cut."""
_SERIES = 6
"""Series that the style sheet can tell apart."""


@dataclass(frozen=True)
class Band:
    """A line with a band around it."""

    name: str
    x: Float[np.ndarray, " T"]
    low: Float[np.ndarray, " T"]
    middle: Float[np.ndarray, " T"]
    high: Float[np.ndarray, " T"]


@dataclass(frozen=True)
class Axes:
    """What the two axes show, and from where to where."""

    x_label: str
    y_label: str
    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)


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
        parts = [part for line in texts for text in line for part in text.split("\n")]
        cell = max(52.0, _widest(parts) + 14)
        beside, above = (min(_widest(side), 240.0) for side in names)
        turned = above + 6 > cell
        return cls(beside + (34 if labels[0] else 14), above * _SLOPE + 30 if turned else 44.0, cell, turned)


@dataclass(frozen=True)
class _Frame:
    """Where an axis pair lies on the drawing, in its units."""

    axes: Axes
    left: _Place
    top: _Place
    width: _Place
    height: _Place

    def at(self, x: _Place, y: _Place) -> tuple[float, float]:
        (x0, x1), (y0, y1) = self.axes.x, self.axes.y
        along, up = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
        return self.left + along * self.width, self.top + (1 - up) * self.height


def bands(series: Sequence[Band], axes: Axes, title: str) -> Markup:
    """Return lines with their bands, named below; ``title`` says what is seen, for who cannot see it."""
    frame = _Frame(axes, 50, 10, 300, 200)
    parts = [_grid(frame)]
    x, y = frame.left, frame.top + frame.height + 66
    for number, one in enumerate(series):
        colour = f"series-{number % _SERIES}"
        across = [*zip(one.x, one.high, strict=True), *zip(one.x[::-1], one.low[::-1], strict=True)]
        parts.append(_tag("path", {"class": f"band {colour}", "d": _path(frame, across) + "Z"}))
        parts.append(_tag("path", {"class": f"line {colour}", "d": _path(frame, zip(one.x, one.middle, strict=True))}))
        if x > frame.left and x + 38 + _width(one.name) > frame.left + frame.width:
            x, y = frame.left, y + 20
        sample = f"M{_number(x)} {_number(y - 4)}h28"
        parts += [_tag("path", {"class": f"line {colour}", "d": sample}), _text(x + 34, y, one.name, "name")]
        x += 50 + _width(one.name)
    return _drawing(frame.left + frame.width + 14, y + 8, parts, title)


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
        _text(sheet.left, 14, labels[1], "axis"),
        _turned(13, sheet.top + _ROW / 2 * len(rows), labels[0], -90, "axis middle"),
    ]
    for place, name in enumerate(columns):
        x = sheet.left + (place + 0.5) * sheet.cell
        above = _turned(x - 4, sheet.top - 8, name, -45) if sheet.turned else _text(x, sheet.top - 10, name, _CENTRED)
        parts.append(above)
    for line, name in enumerate(rows):
        y = sheet.top + _ROW * line
        parts.append(_text(sheet.left - 8, y + 25, name, "tick end"))
        for place in range(len(columns)):
            at = (sheet.left + place * sheet.cell, y, sheet.cell)
            parts.append(_cell(at, float(values[line, place]), texts[line][place]))
    spare = max(0.0, _width(columns[-1]) * _SLOPE - sheet.cell / 2) if sheet.turned and columns else 0.0
    width = max(sheet.left + sheet.cell * len(columns) + spare, sheet.left + _width(labels[1])) + 6
    return _drawing(width, sheet.top + _ROW * len(rows) + 8, parts, title)


def bars(values: Mapping[str, float], span: tuple[float, float], title: str) -> Markup:
    """Return a horizontal bar for each of ``values``, over the range ``span``; NaN has none."""
    left = min(_widest(values), 240) + 12
    scale = _Frame(Axes("", "", span), left, 0, 260, 1)
    start = min(max(0.0, span[0]), span[1])
    parts = []
    for line, (name, value) in enumerate(values.items()):
        y = 26.0 * line + 6
        parts.append(_text(left - 8, y + 13, name, "tick end"))
        if np.isfinite(value):
            a, b = sorted((scale.at(start, 0)[0], scale.at(float(np.clip(value, *span)), 0)[0]))
            parts.append(_tag("rect", {"class": "bar", "x": a, "y": y, "width": max(b - a, 1), "height": 16}))
        parts.append(_text(left + 268, y + 13, _short(value), "tick"))
    return _drawing(left + 320, 26.0 * len(values) + 6, parts, title)


def points(rows: Float[np.ndarray, "N 2"], groups: Sequence[str], title: str) -> Markup:
    """Return a map of ``rows``, coloured and shaped by group; both axes have the same scale and no unit."""
    low, high = rows.min(axis=0), rows.max(axis=0)
    reach = float(max(*(high - low), 1e-9))
    centre = (low + high) / 2
    parts = []
    names = list(dict.fromkeys(groups))
    for (x, y), group in zip((rows - centre) / reach, groups, strict=True):
        number = names.index(group) % _SERIES
        place = f"translate({_number(200 + 380 * x)} {_number(200 - 380 * y)})"
        parts.append(_tag("path", {"class": f"point series-{number}", "d": _SHAPES[number], "transform": place}))
    for number, name in enumerate(names):
        place = f"translate(420 {20 + 22 * number})"
        shape = {"class": f"point series-{number % _SERIES}", "d": _SHAPES[number % _SERIES], "transform": place}
        parts += [_tag("path", shape), _text(432, 24.5 + 22 * number, name, "tick")]
    return _drawing(440 + _widest(names), max(400, 22 * len(names) + 30), parts, title)


def interval(value: float, low: float | None, high: float | None, span: tuple[float, float]) -> Markup:
    """Return a dot with its interval on a short scale over ``span``: what stands in a cell of a table."""
    scale = _Frame(Axes("", "", span), 5, 0, 110, 1)
    parts = [_tag("path", {"class": "grid", "d": "M5 9H115M5 5v8M115 5v8"})]
    if low is not None and high is not None and np.isfinite([low, high]).all():
        a, b = (scale.at(float(np.clip(end, *span)), 0)[0] for end in (low, high))
        parts.append(_tag("path", {"class": "whisker", "d": f"M{_number(a)} 9H{_number(b)}"}))
    if np.isfinite(value):
        x = scale.at(float(np.clip(value, *span)), 0)[0]
        parts.append(_tag("circle", {"class": "dot", "cx": x, "cy": 9, "r": 3.2}))
    return _drawing(120, 18, parts, f"{_short(value)} between {_short(span[0])} and {_short(span[1])}")


_SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
    "M-4 -4h8v8h-8Z",
    "M0 -5L5 4H-5Z",
    "M0 -5L5 0L0 5L-5 0Z",
    "M-5 -1.5h3.5V-5h3v3.5H5v3H1.5V5h-3V1.5H-5Z",
    "M0 5L5 -4H-5Z",
)


def _grid(frame: _Frame) -> Markup:
    """Return the lines, ticks and labels of a pair of axes."""
    axes = frame.axes
    parts = []
    for value in _ticks(*axes.y):
        x, y = frame.at(axes.x[0], value)
        kind = "zero" if value == 0 else "grid"
        parts += [_tag("path", {"class": kind, "d": f"M{_number(x)} {_number(y)}h{_number(frame.width)}"})]
        parts += [_text(x - 7, y + 4, _short(value), "tick end")]
    for value in _ticks(*axes.x):
        x, y = frame.at(value, axes.y[0])
        parts += [_text(x, y + 18, _short(value), "tick middle")]
    parts.append(_text(frame.left + frame.width / 2, frame.top + frame.height + 38, axes.x_label, "axis middle"))
    parts.append(_turned(12, frame.top + frame.height / 2, axes.y_label, -90, "axis middle"))
    return Markup("").join(parts)


def _cell(place: tuple[_Place, _Place, _Place], value: float, text: str) -> Markup:
    """Return one cell of a matrix, at x and y, so wide."""
    x, y, width = place
    box = {"x": x + 1, "y": y + 1, "width": width - 2, "height": 38, "rx": 3}
    if not np.isfinite(value):
        return _tag("rect", {"class": "cell empty", **box})
    strength = 0.06 + 0.94 * float(np.clip(value, 0, 1))
    main, _, below = text.partition("\n")
    tone = "deep" if strength > 0.76 else "mid" if strength > 0.58 else "pale"
    middle = x + width / 2
    parts = [_tag("rect", {"class": "cell", "fill-opacity": strength, **box})]
    parts.append(_text(middle, y + (19 if below else 25), main, f"value middle {tone}"))
    if below:
        parts.append(_text(middle, y + 32, below, f"below middle {tone}"))
    return Markup("").join(parts)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about five."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 2.5, 5, 10), key=lambda factor: abs(factor * power - rough))
    return [
        round(float(step * n), 9) + 0.0 for n in range(int(np.ceil(low / step - 1e-9)), int(high / step + 1e-9) + 1)
    ]


def _path(frame: _Frame, places: Iterable[tuple[float, float]]) -> str:
    """Return a line through ``places`` that are finite."""
    found = [frame.at(float(x), float(y)) for x, y in places if np.isfinite(x) and np.isfinite(y)]
    return "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in found) if found else "M0 0"


def _width(text: str) -> float:
    return len(text) * _FONT * _GLYPH_EM


def _widest(texts: Iterable[str]) -> float:
    return max(map(_width, texts), default=0.0)


def _number(value: _Place) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if np.isfinite(value) else "–"


def _tag(name: str, attributes: Mapping[str, str | int | float]) -> Markup:
    """Return an element without content."""
    said = {key: value if isinstance(value, str) else _number(value) for key, value in attributes.items()}
    return (
        Markup(f"<{name}") + Markup("").join(Markup(' {}="{}"').format(key, said[key]) for key in said) + Markup("/>")
    )


def _text(x: _Place, y: _Place, text: str, kind: str) -> Markup:
    """Return ``text`` at a place, cut if it is very long; the whole is its title then."""
    cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    whole = Markup("<title>{}</title>").format(text) if cut != text else Markup("")
    return Markup('<text x="{}" y="{}" class="{}">{}{}</text>').format(_number(x), _number(y), kind, whole, cut)


def _turned(x: _Place, y: _Place, text: str, degrees: int, kind: str = "tick") -> Markup:
    """Return ``text`` at a place, turned."""
    place = f"translate({_number(x)} {_number(y)}) rotate({degrees})"
    return Markup('<g transform="{}">{}</g>').format(place, _text(0, 0, text, kind))


def _drawing(width: _Place, height: _Place, parts: Iterable[Markup], title: str) -> Markup:
    """Return the drawing that ``parts`` make."""
    box = f"0 0 {_number(width)} {_number(height)}"
    head = Markup('<svg viewBox="{0}" width="{1}" height="{2}" role="img" aria-label="{3}">')
    return head.format(box, _number(width), _number(height), title) + Markup("").join(parts) + Markup("</svg>")
