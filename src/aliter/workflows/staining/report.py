"""Show it all on one page."""

import csv
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import PositiveInt

from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.ops.instances import best_overlaps
from aliter.report.page import Block, Drawing, Drawings, Page, Prose, Section, Table, write_page
from aliter.report.staining import (
    Field,
    Predicted,
    calibration_curves,
    curve,
    moving_draws,
    named_lines,
    stain_gallery,
)
from aliter.report.summary import headline, provenance, stage_tables
from aliter.workflows.staining.calibrate import ENSEMBLE
from aliter.workflows.staining.degrade import SCORES
from aliter.workflows.staining.evaluate import ORACLE, REAL, judged, methods_of, predicted, rows_of
from aliter.workflows.staining.gather import STATISTICS
from aliter.workflows.staining.pairs import Pairs
from aliter.workflows.staining.predict import METHODS
from aliter.workflows.staining.scores import INSTANCE, PIXEL

if TYPE_CHECKING:
    from aliter.workflows.staining import Config


class Reporting(Spec):
    """What the page shows."""

    fields: PositiveInt = 6
    """Fields to test that are shown."""


def report(config: "Config", run: Run) -> None:
    """Write the page; it needs no model."""
    pairs = judged(config.evaluate, run)
    stain = "" if len(pairs.stains) == 1 else f" of {pairs.stains[0]}"
    pixel_um = pairs.fields.pixel_um[-1] if pairs.fields.pixel_um else None
    page = Page(
        title=f"Staining: {', '.join(pairs.stains)}",
        lead="What would the stain look like, how good is that, and where is it invented?",
        workflow="staining",
        headline=headline(run, _headline(stain)),
        sections=(
            Section("Fields", [stain_gallery(_fields(config, run, pairs), pixel_um)], _ABOUT_FIELDS),
            Section("Regression against GAN", [_table(run, stain), *_spectra(run)], _ABOUT_TABLE),
            Section("Draws", _draws(run, pairs), "What moves between draws is what the network is not sure of."),
            Section("Is the doubt right?", _calibration(run), _ABOUT_DOUBT),
            Section("Where it ends", _walks(run), "Scores on images that are worsened step by step."),
            Section("How they learned", _learning(run), _ABOUT_LEARNING),
            Section("All figures", stage_tables(run), "With the number of fields behind each."),
        ),
        provenance=provenance(run, {"images": json.dumps(run.facts["source"])}),
    )
    write_page(page, run.folder / "report")


_ABOUT_FIELDS = (
    "No field shown was learned from, nor calibrated on. Grey limits are those of the real stain, everywhere."
)
_ABOUT_TABLE = (
    "Means over fields to test, with 95 % intervals over fields. The oracle knows all that can be seen without stain; "
    "what it lacks nobody can predict. A perfect draw has twice the squared error of a perfect mean, 3.01 dB of PSNR: "
    "that alone is no defect."
)
_ABOUT_DOUBT = (
    "Draws with other values dropped rank errors, but show only what the network does not know: noise and chance of "
    "the dye are not in them. Scaling and conformal factors come from fields of their own."
)
_ABOUT_LEARNING = (
    "Logits of least squares are no probabilities. Where the discriminator cannot tell, it says one half of both, and "
    "its loss is a quarter of the number of scales. Far below, with an adversarial term near the number of scales, it "
    "has won and teaches nothing: lower its rate, give it a pool of past images, or make it smaller."
)


def _headline(stain: str) -> dict[str, str]:
    wanted = {f"PCC{stain}, {name}": f"PCC, {name}" for name in METHODS}
    wanted |= {f"AP50, {name}": f"objects found (AP50), {name}" for name in (*METHODS, ORACLE)}
    return wanted | {"coverage of 95 %, conformal, gan": "pixels in 95 % intervals, gan"}


def _fields(config: "Config", run: Run, pairs: Pairs) -> Iterator[Field]:
    names = [name for name in methods_of(run) if name != ORACLE]
    source, row_of = pairs.source[0], {name: place for place, name in enumerate(STATISTICS)}
    low, high = (pairs.statistics[source, row_of[name]] for name in ("p0.1", "p99.9"))
    dark, span = pairs.darkest[0], pairs.data_range[0]
    scores = _scores(run)
    for place, row in enumerate(rows_of(pairs)[: config.report.fields]):
        number = int(pairs.held[row])
        id_, truth = pairs.fields.ids[number], pairs.objects(number)
        methods = {}
        for name in names:
            objects = np.asarray(run.array(f"objects/{name}")[place])
            doubt = None
            if f"doubt/{name}/sd" in run:
                scale = float(run.load(f"calibration/{name}/factors")[0])
                doubt = np.asarray(run.array(f"doubt/{name}/sd")[row])[0] * scale / span
            methods[name] = Predicted(
                (predicted(run, pairs, name, row)[0] - dark) / span,
                doubt,
                objects,
                _alone(truth, objects),
                _alone(objects, truth),
                scores[name, id_],
            )
        seen = (pairs.fields.stored(number)[source].astype(float) - low) / (high - low)
        yield Field(id_, seen, (pairs.stain(number)[0] - dark) / span, truth, methods)


def _alone(others: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Return where ``objects`` are that none of the ``others`` overlaps."""
    ids, best = best_overlaps(others, objects)
    return np.isin(objects, ids[best < 0.1])


def _scores(run: Run) -> dict[tuple[str, str], dict[str, float]]:
    """Return AP50 and PCC by method and field."""
    with (run.path / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pcc = next(head for head in rows[0] if head.startswith("PCC"))
    return {
        (row["method"], row["field"]): {"AP50": float(row["AP50"]), "PCC": float(row[pcc] or "nan")} for row in rows
    }


def _table(run: Run, stain: str) -> Table:
    """Return the metrics of each method side by side, and the paired difference."""
    found = run.figures_by_name("evaluate")
    names = [*methods_of(run), REAL]
    rows = []
    for metric in [*(f"{one}{stain}" for one in PIXEL), *INSTANCE, "cell area", "cell light"]:
        cells = []
        for name in (*names, "gan less regression"):
            one = found.get(f"{metric}, {name}")
            between = f" ({one.low:.3f} – {one.high:.3f})" if one and one.low is not None else ""
            value = "–" if one is None or np.isnan(one.value) else f"{one.value:.3f}"
            cells.append(f"{value}{between}" if one else "")
        rows.append((metric, *cells))
    columns = ("measure", *names, "gan less regression")
    caption = "Sharpness: power above half of Nyquist's frequency, over that of the real stain; 1 is as sharp."
    return Table(columns, rows, caption, columns[1:])


def _spectra(run: Run) -> list[Block]:
    lines = {name: run.load(f"spectra/{name}") for name in (*methods_of(run), REAL)}
    logs = {name: np.stack([rows[:, 0], np.log10(rows[:, 1])], 1) for name, rows in lines.items()}
    words = "Blur shows as power that is lacking towards the right."
    return [Drawings([curve(logs, ("frequency, of Nyquist's", "power (powers of 10)"), "Fineness", words)])]


def _draws(run: Run, pairs: Pairs) -> list[Block]:
    dark, span = pairs.darkest[0], pairs.data_range[0]
    found: dict[str, np.ndarray] = {}
    for name in METHODS:
        if f"doubt/{name}/draws" in run:
            draws = (run.load(f"doubt/{name}/draws") - dark) / span
            found |= {f"{name}, field {place + 1}": one for place, one in enumerate(draws[:3])}
    return [moving_draws(found)] if found else [Prose("No draws were made: no network drops values.")]


def _calibration(run: Run) -> list[Block]:
    names = [name for name in (*METHODS, ENSEMBLE) if f"calibration/{name}/coverage" in run]
    if not names:
        return [Prose("No network drops values, so none is in doubt.")]
    coverage, left_out = (
        {name: run.load(f"calibration/{name}/{what}") for name in names} for what in ("coverage", "sparsification")
    )
    return [calibration_curves(coverage, left_out)]


def _walks(run: Run) -> list[Block]:
    drawings = []
    for knob in ("blur_px", "gain", "defocus_um"):
        walks = {
            name: run.load(f"walks/{knob}/{name}") for name in ("regression", "gan") if f"walks/{knob}/{name}" in run
        }
        for place, metric in enumerate(SCORES, start=1):
            lines = {name: table[np.argsort(table[:, 0])][:, (0, place)] for name, table in walks.items()}
            if lines:
                drawings.append(curve(lines, (knob, metric), f"{metric} against {knob}", log_x=knob == "gain"))
    return [Drawings(drawings)]


def _learning(run: Run) -> list[Block]:
    drawings = [_losses(run, "regress", ("regress/l1", "regress/mse", "regress/structure"), "Regression")]
    drawings.append(_losses(run, "translate", ("generate/adversarial",), "Adversarial term"))
    drawings.append(_losses(run, "translate", ("generate/matching",), "Feature matching"))
    said = {name: [(row["step"], row[name]) for row in run.metrics("translate") if name in row] for name in _SAID}
    last = max((step for rows in said.values() for step, _ in rows), default=1)
    lines = {**named_lines(said), "cannot tell": np.array([[0.0, 0.5], [float(last), 0.5]])}
    drawings.append(curve(lines, ("step", "mean logit"), "What the discriminator says of fields not learned from"))
    return [Drawings(drawings)]


_SAID = ("D(real)", "D(fake)")


def _losses(run: Run, stage: str, terms: tuple[str, ...], title: str) -> Drawing:
    rows = run.metrics(stage)
    table = {}
    for term in terms:
        for name, words in (
            (term, f"{term.partition('/')[2]}, learned from"),
            (f"held-out {term}", "not learned from"),
        ):
            table[words] = [(row["step"], row[name]) for row in rows if name in row and row["name"] in _FITS]
    return curve(named_lines(table), ("step", "loss"), title)


_FITS = ("regression", "translation")
