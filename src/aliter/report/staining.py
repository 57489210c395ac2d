"""What the staining workflow shows: fields side by side, curves of calibration, of learning and of worsening."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8

from aliter.report.figures import Axes, Band, bands
from aliter.report.gallery import Gallery, Item, Look
from aliter.report.page import Drawing, Drawings
from aliter.report.pictures import Picture, Pictures, gif, grey, png

Lines = Mapping[str, Float[np.ndarray, "T 2"]]
"""Name, and points along and up."""

_LEGEND = {
    "without stain": "what is predicted from, on one scale for all fields",
    "real stain": "what the dye shows",
    "regression": "predicted pixel by pixel: a compromise of all that the stain might be",
    "gan": "drawn so that a discriminator takes it for real: one of all that the stain might be",
    "doubt": "the scaled deviation of draws of this method; white is the whole range of the stain",
    "error": "the distance of the prediction from the real stain; white is the whole range of the stain",
    "true objects": "outlined as they were planted or given",
    "invented": "objects that no true object overlaps",
    "missed": "true objects that no object overlaps",
    "AP50": "objects found, over all found, missed and invented, at an overlap of one half",
    "PCC": "correlation with the real stain, pixel by pixel",
}


@dataclass(frozen=True)
class Predicted:
    """One field, as one method has it."""

    image: Float[np.ndarray, "H W"]
    doubt: Float[np.ndarray, "H W"] | None
    objects: Integer[np.ndarray, "H W"]
    invented: Bool[np.ndarray, "H W"]
    missed: Bool[np.ndarray, "H W"]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Field:
    """One field for testing; images are in [0, 1], of one range for all fields."""

    id: str
    seen: Float[np.ndarray, "H W"]
    real: Float[np.ndarray, "H W"]
    truth: Integer[np.ndarray, "H W"]
    methods: Mapping[str, Predicted]


def stain_gallery(fields: Iterable[Field], pixel_um: float | None) -> Gallery:
    """Return the gallery of ``fields``; they are taken one by one, when the page is written."""

    def items() -> Iterator[Item]:
        for one in fields:
            yield _item(one)

    look = Look(("intensity",), (0.0, 1.0), ((0.0, 1.0),), pixel_um=pixel_um)
    return Gallery(items(), look, ("real stain", "gan"), _LEGEND, noun="fields")


def _item(one: Field) -> Item:
    frames = {"without stain": one.seen}
    outlines: dict[str, np.ndarray] = {"true objects": one.truth.astype(np.int64)[None]}
    numbers: dict[str, float] = {}
    counts = []
    for name, made in one.methods.items():
        frames[name] = made.image
        outlines[f"{name}: objects"] = made.objects.astype(np.int64)[None]
        for words, where in (("invented", made.invented), ("missed", made.missed)):
            if where.any():
                outlines[f"{name}: {words}"] = where[None]
        numbers |= {f"{metric}, {name}": value for metric, value in made.scores.items()}
        counts.append(f"{name} found {len(np.unique(made.objects)) - 1}")
    frames["real stain"] = one.real
    for name, made in one.methods.items():
        if made.doubt is not None:
            frames[f"{name}: doubt"] = made.doubt
        frames[f"{name}: error"] = np.abs(made.image - one.real)
    return Item(
        id=one.id,
        title=one.id,
        subtitle=", ".join(f"{name} {value:.2f}" for name, value in list(numbers.items())[:2]),
        facets={"field": one.id},
        numbers=numbers,
        frames={name: np.clip(image, 0, 1)[None] for name, image in frames.items()},
        outlines=outlines,
        caption=f"{len(np.unique(one.truth)) - 1} true objects; {', '.join(counts)}.",
    )


def moving_draws(draws: Mapping[str, Float[np.ndarray, "T H W"]]) -> Pictures:
    """Return, for each name, draws that follow each other, in [0, 1]: what moves is in doubt."""
    made = []
    for name, frames in draws.items():
        still = len(frames) < 2
        levels: UInt8[np.ndarray, "T H W"] = grey(frames)
        made.append(Picture(png(levels[0]) if still else gif(levels), name, f"{len(frames)} draws"))
    return Pictures(made)


def curve(lines: Lines, labels: tuple[str, str], title: str, caption: str = "", log_x: bool = False) -> Drawing:
    """Return lines without bands over axes that hold them."""
    points = [row for rows in lines.values() for row in np.asarray(rows, float)]
    axes = Axes.around(labels, [row[0] for row in points], [row[1] for row in points], log_x)
    series = [Band(name, rows[:, 0], rows[:, 1], rows[:, 1], rows[:, 1]) for name, rows in lines.items()]
    return Drawing(bands(series, axes, title), title, caption)


def calibration_curves(
    coverage: Mapping[str, Float[np.ndarray, "L 4"]], left_out: Mapping[str, Float[np.ndarray, "S 3"]]
) -> Drawings:
    """Return, for each method, coverage against what was asked for, and error against the share left out."""
    drawings = []
    for name, table in coverage.items():
        lines = {words: table[:, (0, place)] for place, words in enumerate(("raw", "scaled", "conformal"), start=1)}
        ideal = {"right": np.array([[0.0, 0.0], [1.0, 1.0]])}
        words = "Intervals that say 80 % should hold 80 % of pixels."
        drawings.append(curve({**lines, **ideal}, ("asked for", "covered"), f"Coverage, {name}", words))
    for name, table in left_out.items():
        lines = {"by doubt": table[:, (0, 1)], "by error, the best there is": table[:, (0, 2)]}
        words = "Where doubt knows where errors are, leaving out the doubtful lowers what is left."
        labels = ("share of pixels left out", "mean error of the others")
        drawings.append(curve(lines, labels, f"Leaving out the doubtful, {name}", words))
    return Drawings(drawings)


def named_lines(table: Mapping[str, Sequence[tuple[float, float]]]) -> Lines:
    """Return the lines that hold a point at all."""
    return {name: np.array(rows, float) for name, rows in table.items() if rows}
