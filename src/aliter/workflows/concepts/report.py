"""Show it all on one page."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from pydantic import PositiveInt

from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.data.tiles import Tiles
from aliter.report.counterfactual import confusion_matrix
from aliter.report.figures import Axes, Band, bands
from aliter.report.page import Drawing, Drawings, Page, Prose, Section, Table, write_page
from aliter.report.pictures import Picture, Pictures, composite, png
from aliter.report.summary import headline, provenance, stage_tables
from aliter.workflows.concepts.bench import Row
from aliter.workflows.concepts.discover import Named, all_of, purities
from aliter.workflows.concepts.gallery import IMAGE_PX, enlarged, gallery, moving
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.patches import Patches, strip
from aliter.workflows.concepts.score import scored
from aliter.workflows.concepts.shift import outcomes_of
from aliter.workflows.concepts.words import Words, words_of

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

_SEGMENT_PX = 96
"""About how high segments are shown."""


class Reporting(Spec):
    """What the page shows."""

    patches: PositiveInt = 6
    """Segments of each concept."""
    tiles: PositiveInt = 3
    """Tiles beside what was drawn of them."""
    moving: PositiveInt = 6
    """Walks that move by themselves."""


def report(config: "Config", run: Run) -> None:
    """Write the page; it needs no model."""
    tiles, rows, outcomes = tiles_of(run), scored(run), outcomes_of(run)
    words = words_of(tiles)
    page = Page(
        title=f"What the {words.model} reacts to",
        lead=f"Which visual concepts raise {words.score}, and what does pushing along one do?",
        workflow="concepts",
        headline=headline(run, _headline(config)),
        sections=(
            Section("Concepts", _concepts(config, run, tiles, rows), _ABOUT_CONCEPTS.format_map(asdict(words))),
            Section(
                "Walks",
                (moving(config, run, outcomes), gallery(config, run, tiles, outcomes)),
                _ABOUT_WALKS.format_map(asdict(words)),
            ),
            Section("Controls", (_controls(rows),), _ABOUT_CONTROLS.format_map(asdict(words))),
            Section(
                "What is drawn", (_drawn(config, run, tiles),), "A walk can show no more than the decoder can draw."
            ),
            Section(f"The {words.model}", _judged(run, tiles), f"On {words.unseen}."),
            Section("All figures", stage_tables(run), "With the number of images behind each."),
        ),
        provenance=provenance(run, {"images": json.dumps(run.facts["source"])}),
    )
    write_page(page, run.folder / "report")


_ABOUT_CONCEPTS = (
    "Segments that a layer sees alike, tested against other segments. Score: the share of {found} whose answer "
    "rises along them. Lean: the mean cosine with the gradient of the answer; concepts are ranked by how far it stands "
    "out, in standard deviations of sets that are no concept."
)
_ABOUT_WALKS = (
    "Pushed until the score is the target: {found} down, {look_alikes} up. Every frame is scored by the {model} itself."
)
_ABOUT_CONTROLS = (
    "The same tests on sets mixed from the members of all concepts, and in {model}s that learned nothing. In each of "
    "those many concepts stand out together, on a side that is up to chance; what was learned leans further than they "
    "do. A concept is learned where it passes both tests."
)


def _headline(config: "Config") -> dict[str, str]:
    first = config.discover.layers[0].rpartition(".")[2]
    return {
        "accuracy, test": "accuracy, held out",
        "F1": "F1, held out",
        "PSNR above mean colours": "dB above mean colours, drawn",
        "learned, concepts": "share of concepts that matter",
        f"false positives, rank, {first}": "false positives of the test",
    }


def _concepts(config: "Config", run: Run, tiles: Tiles, rows: Sequence[Row]) -> list[Table]:
    """Return a table for each layer: a row of segments for each concept, and how it was tested."""
    mine = sorted((row for row in rows if not row.control), key=lambda row: -row.effect)
    layers = config.discover.layers
    return [_layer(config, run, tiles, layer, [row for row in mine if row.layer == layer]) for layer in layers]


def _layer(config: "Config", run: Run, tiles: Tiles, layer: str, rows: Sequence[Row]) -> Table:
    patches, count = Patches.load(run, "patches"), config.report.patches
    named = {one.name: one for one in all_of(config, run, layer)}
    body = [(row.name, _picture(tiles, patches, named[row.name], count), *_tests(row)) for row in rows]
    columns: tuple[str, ...] = ("concept", "segments", *_TESTS)
    if tiles.kinds is not None:
        kinds = {f"{number:02d}": f"{kind}, {share:.0%}" for number, (kind, share) in enumerate(purities(run, layer))}
        body = [(*cells, kinds.get(row.name, row.name)) for cells, row in zip(body, rows, strict=True)]
        columns = (*columns, "drawn as")
    caption = (
        f"{layer}: p by rank among sets that are no concept; corrected by Benjamini and Hochberg, any false by "
        f"Bonferroni; learned: p among {words_of(tiles).model}s of random weights, corrected"
    )
    return Table(columns, body, caption, _TESTS)


_TESTS = (
    "score",
    "lean",
    "effect",
    "p",
    "corrected",
    "learned",
    "any false",
    "score over sets",
    "held-out accuracy",
)


def _tests(row: Row) -> tuple[str, ...]:
    """Return what the tests of a concept came to, in the order of their columns."""
    held = f"{row.accuracy:.2f} ({row.accuracy_low:.2f} – {row.accuracy_high:.2f})"
    tests = (f"{row.rank_p:.3g}", f"{row.adjusted:.3g}", _number(row.learned, ".3g"), f"{row.family:.3g}")
    return f"{row.score:.2f}", f"{row.lean:.2f}", f"{row.effect:.1f}", *tests, f"{row.low:.2f} – {row.high:.2f}", held


def _number(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "–"


def _picture(tiles: Tiles, patches: Patches, one: Named, count: int) -> Markup:
    """Return some segments of a concept as a picture that stands in a cell."""
    colours = composite(strip(tiles, patches, one.members[:count].tolist()))
    shown = Picture(png(enlarged(colours, _SEGMENT_PX)), one.name)
    return Markup('<img alt="segments of {}" src="{}">').format(one.name, shown.address)


def _controls(rows: Sequence[Row]) -> Table:
    columns = ("tested", "concepts", "networks", "stand out", "unlike random weights", "both", "mean score")
    body = []
    for control in dict.fromkeys(row.control for row in rows):
        mine = [row for row in rows if row.control == control]
        count = len({row.network for row in mine})
        stand, learned = (np.array([getattr(row, name) < 0.05 for row in mine]) for name in ("adjusted", "learned"))
        known = np.isfinite([row.learned for row in mine]).all()
        shares = [_number(float(one.mean()) if known or one is stand else np.nan, ".0%") for one in (stand, learned)]
        both = _number(float((stand & learned).mean()) if known else np.nan, ".0%")
        score = f"{np.mean([row.score for row in mine]):.2f}"
        body.append((control or "the concepts", str(len(mine) // count), str(count), *shares, both, score))
    caption = "Shares with p < 0.05 after Benjamini and Hochberg, over all concepts of a network."
    return Table(columns, body, caption, columns[1:])


def _drawn(config: "Config", run: Run, tiles: Tiles) -> Pictures:
    drawn = run.array("drawn/test")
    numbers = tiles.split("test")[: config.report.tiles]
    pictures = []
    for row, x in enumerate(tiles.signed(numbers)):
        made = np.asarray(drawn[row])
        difference = np.clip(made - x, -1, 1)
        side = np.concatenate([composite(one) for one in (x, made, difference)], axis=1)
        error = float(np.square((made - x) / 2).mean())
        caption = f"{words_of(tiles).tile}, drawn, difference: {-10 * np.log10(error):.1f} dB"
        pictures.append(Picture(png(enlarged(side, IMAGE_PX)), tiles.ids[int(numbers[row])], caption))
    return Pictures(pictures)


def _judged(run: Run, tiles: Tiles) -> list[Drawings | Prose]:
    """Return how good the model is: what it misses and invents, and which classes a classifier takes for which."""
    found = [_froc(run, words_of(tiles))]
    if tiles.figure is not None:
        found.append(Drawings([confusion_matrix(run.load("confusion/test"), tiles.classes, "test")]))
    return found


def _froc(run: Run, words: Words) -> Drawings | Prose:
    curve = run.load("froc")
    most = float(curve[-1, 0])
    if most <= 0:
        return Prose(f"The {words.model} raises no false alarm, at any threshold.")
    line = Band("recall", curve[:, 0], curve[:, 1], curve[:, 1], curve[:, 1])
    axes = Axes(f"false alarms per {words.tile}", "recall", (0.0, most), (0.0, 1.0))
    svg = bands([line], axes, "recall against false alarms")
    return Drawings([Drawing(svg, "Recall against false alarms", "As the threshold falls.")])
