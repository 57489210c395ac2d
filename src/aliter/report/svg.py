"""What drawings are made of: elements, text that is escaped, a pair of axes, and the names of series.

Nothing here has a style of its own: shapes carry classes, the page's style sheet gives them colours, light or dark.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

Place = int | float
SERIES = 6
"""Series that the style sheet can tell apart, by colour, dash and shape."""
SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
    "M-4 -4h8v8h-8Z",
    "M0 -5L5 4H-5Z",
    "M0 -5L5 0L0 5L-5 0Z",
    "M-5 -1.5h3.5V-5h3v3.5H5v3H1.5V5h-3V1.5H-5Z",
    "M0 5L5 -4H-5Z",
)
"""Outlines of the points of each series."""

_GLYPH_EM = 0.54
"""Mean width of a glyph; text is never measured, so margins are estimates on the safe side."""
_FONT = 13
_LONGEST = 40
"""Glyphs of the longest text that is not cut."""


@dataclass(frozen=True)
class Axes:
    """What the two axes show, and from where to where."""

    x_label: str
    y_label: str
    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)
    log_x: bool = False
    """Whether equal steps along mean equal factors; then ``x`` is positive."""

    @classmethod
    def around(cls, labels: tuple[str, str], x: Iterable[float], y: Iterable[float], log_x: bool = False) -> "Axes":
        """Return axes that hold all finite values of ``x`` and ``y``, a little space left."""
        along = _span(x)
        return cls(*labels, along if log_x else _padded(along), _padded(_span(y)), log_x)


@dataclass(frozen=True)
class Frame:
    """Where an axis pair lies on the drawing, in its units."""

    axes: Axes
    left: Place
    top: Place
    width: Place
    height: Place

    def at(self, x: Place, y: Place) -> tuple[float, float]:
        """Return the place of a pair of values."""
        x0, x1 = self._along(self.axes.x[0]), self._along(self.axes.x[1])
        y0, y1 = self.axes.y
        return self.left + (self._along(x) - x0) / (x1 - x0) * self.width, self.top + (y1 - y) / (y1 - y0) * self.height

    def line(self, places: Iterable[tuple[float, float]]) -> str:
        """Return a path through the ``places`` that are finite."""
        found = [self.at(float(x), float(y)) for x, y in places if np.isfinite(x) and np.isfinite(y)]
        return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in found) if found else "M0 0"

    def grid(self) -> Markup:
        """Return the lines, ticks and labels."""
        axes, parts = self.axes, []
        for value in ticks(*axes.y):
            x, y = self.at(axes.x[0], value)
            kind = "zero" if value == 0 else "grid"
            parts += [tag("path", {"class": kind, "d": f"M{number(x)} {number(y)}h{number(self.width)}"})]
            parts += [text(x - 7, y + 4, short(value), "tick end")]
        for value in log_ticks(*axes.x) if axes.log_x else ticks(*axes.x):
            x, y = self.at(value, axes.y[0])
            parts += [text(x, y + 18, short(value), "tick middle")]
        parts.append(text(self.left + self.width / 2, self.top + self.height + 38, axes.x_label, "axis middle"))
        parts.append(turned(12, self.top + self.height / 2, axes.y_label, -90, "axis middle"))
        return Markup("").join(parts)

    def _along(self, x: Place) -> float:
        return float(np.log(x)) if self.axes.log_x else float(x)


def point(x: Place, y: Place, series: int) -> Markup:
    """Return the point of a series at a place."""
    shape, place = SHAPES[series % SERIES], f"translate({number(x)} {number(y)})"
    return tag("path", {"class": f"point series-{series % SERIES}", "d": shape, "transform": place})


def legend(frame: Frame, names: Sequence[str], lines: bool) -> tuple[Markup, float]:
    """Return the names of series below a frame, each after its line or its point, and where they end."""
    parts = []
    x, y = frame.left, frame.top + frame.height + 66.0
    for place, name in enumerate(names):
        if x > frame.left and x + 38 + wide(name) > frame.left + frame.width:
            x, y = frame.left, y + 20
        if lines:
            sample = f"M{number(x)} {number(y - 4)}h28"
            parts.append(tag("path", {"class": f"line series-{place % SERIES}", "d": sample}))
        else:
            parts.append(point(x + 20, y - 4, place))
        parts.append(text(x + 34, y, name, "name"))
        x += 50 + wide(name)
    return Markup("").join(parts), y + 8


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about five."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 2.5, 5, 10), key=lambda factor: abs(factor * power - rough))
    return [
        round(float(step * n), 9) + 0.0 for n in range(int(np.ceil(low / step - 1e-9)), int(high / step + 1e-9) + 1)
    ]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of two from ``low`` to ``high``, or of ten if those are more than eight."""
    for base in (2.0, 10.0):
        first, last = (np.log(end) / np.log(base) for end in (low, high))
        found = [float(base**n) for n in range(int(np.ceil(first - 1e-9)), int(np.floor(last + 1e-9)) + 1)]
        if 2 <= len(found) <= 8:
            return found
    return [low, high]


def wide(line: str) -> float:
    """Return about how wide a text is."""
    return len(line) * _FONT * _GLYPH_EM


def widest(lines: Iterable[str]) -> float:
    """Return about how wide the widest of several texts is."""
    return max(map(wide, lines), default=0.0)


def number(value: Place) -> str:
    """Return a coordinate."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def short(value: float) -> str:
    """Return a value in three digits."""
    return f"{value:.3g}".replace("-", "−") if np.isfinite(value) else "–"


def tag(name: str, attributes: Mapping[str, str | int | float]) -> Markup:
    """Return an element without content."""
    said = {key: value if isinstance(value, str) else number(value) for key, value in attributes.items()}
    return (
        Markup(f"<{name}") + Markup("").join(Markup(' {}="{}"').format(key, said[key]) for key in said) + Markup("/>")
    )


def text(x: Place, y: Place, words: str, kind: str) -> Markup:
    """Return ``words`` at a place, cut if they are very long; the whole is their title then."""
    cut = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
    whole = Markup("<title>{}</title>").format(words) if cut != words else Markup("")
    return Markup('<text x="{}" y="{}" class="{}">{}{}</text>').format(number(x), number(y), kind, whole, cut)


def turned(x: Place, y: Place, words: str, degrees: int, kind: str = "tick") -> Markup:
    """Return ``words`` at a place, turned."""
    place = f"translate({number(x)} {number(y)}) rotate({degrees})"
    return Markup('<g transform="{}">{}</g>').format(place, text(0, 0, words, kind))


def drawing(width: Place, height: Place, parts: Iterable[Markup], title: str) -> Markup:
    """Return the drawing that ``parts`` make; ``title`` says what is seen, for who cannot see it."""
    box = f"0 0 {number(width)} {number(height)}"
    head = Markup('<svg viewBox="{0}" width="{1}" height="{2}" role="img" aria-label="{3}">')
    return head.format(box, number(width), number(height), title) + Markup("").join(parts) + Markup("</svg>")


def _span(values: Iterable[float]) -> tuple[float, float]:
    found = [float(value) for value in values if np.isfinite(value)]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _padded(span: tuple[float, float]) -> tuple[float, float]:
    """Return ``span`` with a twentieth added at either end, but not beyond zero."""
    low, high = span
    room = (high - low) / 20
    return (0.0 if 0 <= low < room else low - room), (0.0 if -room < high <= 0 else high + room)
