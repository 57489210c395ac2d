"""Compare with the real stain: pixel by pixel, object by object."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int32

from aliter.core.progress import progress
from aliter.core.spec import Spec
from aliter.data.run import Figure, Run
from aliter.methods.segment.otsu import Otsu
from aliter.ops.intensity import pearson
from aliter.ops.spectrum import radial_power
from aliter.workflows.staining.pairs import Pairs, pairs_of
from aliter.workflows.staining.predict import METHODS
from aliter.workflows.staining.scores import (
    INSTANCE,
    PIXEL,
    Fitted,
    cell_features,
    fitted,
    instance_scores,
    over_fields,
    pixel_scores,
)

if TYPE_CHECKING:
    from aliter.workflows.staining import Config

REAL, ORACLE = "real stain", "oracle"
"""What is segmented like a prediction: the stain itself, and the best prediction where that is known."""
_COMPARED = ("PCC", "SSIM", "PSNR", "sharpness", "AP50", "PQ")


class Evaluating(Spec):
    """How objects are found in a stain, real or predicted: in one way for all."""

    segmenter: Otsu = Otsu()


def evaluate(config: "Config", run: Run) -> None:
    """Write the scores of every method on every field to test, and the objects that were found."""
    level = level_of(config.evaluate, pairs_of(run))
    run.save("level", np.array([level]), ("index",))
    pairs, names = judged(config.evaluate, run), methods_of(run)
    pixel: dict[str, list[dict[str, float]]] = {}
    instance: dict[str, list[dict[str, float]]] = {}
    features: dict[str, list[Mapping[str, np.ndarray]]] = {}
    with progress("evaluate", len(names) + 1) as advance:
        for name in (*names, REAL):
            if name != REAL:
                pixel[name] = _pixels(run, pairs, name)
            images = (predicted(run, pairs, name, row)[0] for row in rows_of(pairs))
            objects = [config.evaluate.segmenter(image, level) for image in images]
            run.save(f"objects/{name}", np.stack(objects), ("index", "y", "x"))
            run.save(f"spectra/{name}", _spectrum(run, pairs, name), ("ring", "kind"))
            instance[name] = _instances(pairs, objects)
            features[name] = _features(run, pairs, name, objects)
            advance(1, name)
    _write_table(run, pairs, pixel, instance)
    run.record([*_figures(pixel), *_figures(instance), *_differences(pixel, instance), *_feature_figures(features)])


def methods_of(run: Run) -> tuple[str, ...]:
    """Return the names of what predicts: the room's own, others, and the oracle where it is known."""
    own = tuple(name for name in METHODS if f"predictions/{name}" in run)
    others = tuple(name[len("predictions/") :] for name in run.names() if name.startswith("predictions/"))
    known = (ORACLE,) if pairs_of(run).oracle else ()
    return (*own, *(name for name in others if name not in own), *known)


def judged(choice: Evaluating, run: Run) -> Pairs:
    """Return the pairs of a run; objects are those of the real stain where no true ones are known."""
    level = float(run.load("level")[0])
    return replace(pairs_of(run), found=lambda stain: choice.segmenter(stain, level))


def rows_of(pairs: Pairs) -> list[int]:
    """Return the rows of the fields to test, among those that are predicted."""
    return [int(row) for row in np.flatnonzero(pairs.tested)]


def predicted(run: Run, pairs: Pairs, name: str, row: int) -> Float32[np.ndarray, "S H W"]:
    """Return the stains of a field as ``name`` has them."""
    number = int(pairs.held[row])
    if name == REAL:
        return pairs.stain(number)
    if name == ORACLE:
        return pairs.known("mean", number)
    return np.asarray(run.array(f"predictions/{name}")[row], np.float32)


def level_of(choice: Evaluating, pairs: Pairs) -> float:
    """Return the level above which a stain is that of an object: from real stains of fields to learn from."""
    return choice.segmenter.level([pairs.stain(int(number))[0] for number in pairs.fields.split("train")])


def _pixels(run: Run, pairs: Pairs, name: str) -> list[dict[str, float]]:
    """Return the pixel scores of each field to test, those of all stains in one."""
    fits = _fits(run, pairs, name)
    rows = []
    for row in rows_of(pairs):
        number, image = int(pairs.held[row]), predicted(run, pairs, name, row)
        stain, inside = pairs.stain(number), pairs.foreground(number)
        found: dict[str, float] = {}
        for place, what in enumerate(pairs.stains):
            scores = pixel_scores(stain[place], image[place], float(pairs.data_range[place]), inside, fits[place])
            found |= {f"{metric}{suffix(pairs, what)}": value for metric, value in scores.items()}
        rows.append(found)
    return rows


def _spectrum(run: Run, pairs: Pairs, name: str) -> np.ndarray:
    """Return frequency, as a share of Nyquist's, and mean power of the first stain over the fields to test."""
    power = np.mean([radial_power(predicted(run, pairs, name, row)[0]) for row in rows_of(pairs)], axis=0)
    return np.stack([(np.arange(len(power)) + 0.5) / len(power), power], 1)


def suffix(pairs: Pairs, stain: str) -> str:
    """Return what a metric's name ends in: nothing where there is one stain."""
    return f" of {stain}" if len(pairs.stains) > 1 else ""


def _fits(run: Run, pairs: Pairs, name: str) -> list[Fitted]:
    """Return gain and offset of each stain, from the fields to calibrate."""
    rows = np.flatnonzero(~pairs.tested).tolist()
    images = np.stack([predicted(run, pairs, name, row) for row in rows])
    stains = np.stack([pairs.stain(int(pairs.held[row])) for row in rows])
    return [fitted(stains[:, place], images[:, place]) for place in range(len(pairs.target))]


def _instances(pairs: Pairs, objects: Sequence[Int32[np.ndarray, "H W"]]) -> list[dict[str, float]]:
    numbers = pairs.held[pairs.tested]
    return [instance_scores(pairs.objects(int(number)), found) for number, found in zip(numbers, objects, strict=True)]


def _features(
    run: Run, pairs: Pairs, name: str, objects: Sequence[Int32[np.ndarray, "H W"]]
) -> list[Mapping[str, np.ndarray]]:
    rows, dark = rows_of(pairs), float(pairs.darkest[0])
    return [
        cell_features(
            pairs.objects(int(pairs.held[row])),
            pairs.stain(int(pairs.held[row]))[0],
            found,
            predicted(run, pairs, name, row)[0],
            dark,
        )
        for row, found in zip(rows, objects, strict=True)
    ]


def _figures(scores: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Figure]:
    """Return the mean of each metric over fields, with its interval."""
    return [
        over_fields(f"{metric}, {name}", [row[metric] for row in rows])
        for name, rows in scores.items()
        for metric in rows[0]
    ]


def _differences(*scores: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Figure]:
    """Return by how much the GAN is above regression, field by field, for the metrics that tell them apart."""
    figures = []
    for table in scores:
        if set(METHODS) <= table.keys():
            first, second = table["gan"], table["regression"]
            for metric in (one for one in first[0] if one.split(" of ")[0] in _COMPARED):
                gaps = [a[metric] - b[metric] for a, b in zip(first, second, strict=True)]
                figures.append(over_fields(f"{metric}, gan less regression", gaps, "paired by field"))
    return figures


def _feature_figures(features: Mapping[str, Sequence[Mapping[str, np.ndarray]]]) -> list[Figure]:
    """Return how well area and light of single cells are told."""
    figures = []
    for name, rows in features.items():
        for feature in ("area", "light"):
            values = np.concatenate([row[feature] for row in rows])
            value = pearson(values[:, 0], values[:, 1]) if len(values) > 2 else float("nan")
            note = f"correlation over {len(values)} cells that were found"
            figures.append(Figure(f"cell {feature}, {name}", value, len(rows), note=note))
    return figures


def _write_table(
    run: Run,
    pairs: Pairs,
    pixel: Mapping[str, Sequence[Mapping[str, float]]],
    instance: Mapping[str, Sequence[Mapping[str, float]]],
) -> None:
    """Write ``metrics.csv``: a row for each method and field to test."""
    heads = [f"{metric}{suffix(pairs, stain)}" for stain in pairs.stains for metric in PIXEL]
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("method", "field", *heads, *INSTANCE))
    for name, rows in instance.items():
        for place, (row, counted) in enumerate(zip(rows_of(pairs), rows, strict=True)):
            whole = {**(pixel[name][place] if name in pixel else {}), **counted}
            cells = [f"{whole[head]:.6f}" if head in whole else "" for head in (*heads, *INSTANCE)]
            table.writerow((name, pairs.fields.ids[int(pairs.held[row])], *cells))
    (run.folder / "metrics.csv").write_text(text.getvalue(), encoding="utf-8")
