"""Show it all on one page."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import PositiveInt

from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.report.figures import Axes, Band, Cloud, bands, histogram, scatter
from aliter.report.gallery import Gallery, Item, Look, Map, unit
from aliter.report.page import Drawing, Drawings, Page, Section, Table, write_page
from aliter.report.pictures import Picture, Pictures, grey, png, signed_colours
from aliter.report.summary import headline, provenance, stage_tables
from aliter.workflows.boundary.classify import real_probability
from aliter.workflows.boundary.compare import WAYS
from aliter.workflows.boundary.confuse import attempts_of
from aliter.workflows.boundary.embed import held_out_in_band
from aliter.workflows.boundary.pair import pair_of
from aliter.workflows.boundary.select import STEPS, drawn_probability

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config

_HEADLINE = {
    "share in band, step1": "in the band, step 1",
    "share in band, step2": "in the band, step 2",
    "confusion distance, step2": "mean distance from undecided, step 2",
    "adjusted Rand index": "clusters come back: adjusted Rand index",
    "coverage of prototypes": "images near a prototype",
}


_REALISM = ("Frechet distance in band", "kernel distance in band")
_STRIP = 16
"""Images side by side."""


class Reporting(Spec):
    """What the page shows."""

    items: PositiveInt = 200
    """Ambiguous images in the gallery at most, and samples over all probabilities."""


def report(config: "Config", run: Run) -> None:
    """Write the page; it needs no model."""
    images = pair_of(config, run)
    first, second = images.classes
    look = Look(images.channels, images.range)
    axes = ("way in the latent space", f"probability of {second}")
    kinds = Gallery(
        _prototypes(config, run), look, ("prototype", "nearest real"), _legend(second), axes=axes, noun="prototypes"
    )
    samples = Gallery(_samples(config, run), look, noun="images", map=Map(("axis 1", "axis 2"), "cluster"))
    page = Page(
        title=f"Between {first} and {second}",
        lead=f"What does a classifier take for neither {first} nor {second}, and which kinds of that are there?",
        workflow="boundary",
        headline=headline(run, _HEADLINE),
        sections=(
            Section("Kinds", (kinds,), "An image for each cluster; let it walk to either class."),
            *_criticised(run),
            Section("Ambiguous images", (samples,), "All that the classifier puts in the band, as far as shown."),
            Section(
                "Simpler ways",
                (_strips(config, run), _ways(run)),
                "What the arithmetic of step 2 would have found otherwise; realism is compared at equal numbers.",
            ),
            Section("How they came about", _drawings(config, run), "Realism against ambiguity, epoch by epoch."),
            Section("All figures", stage_tables(run), "With the number of images behind each."),
        ),
        provenance=provenance(run, {"images": json.dumps(run.facts["source"])}),
    )
    write_page(page, run.folder / "report")


def _legend(second: str) -> dict[str, str]:
    return {
        "prototype": "a generated image that stands for its cluster",
        "nearest real": "the real training image most like it",
        "attribution": f"all channels together: orange speaks for {second}, blue against it",
    }


def _prototypes(config: "Config", run: Run) -> Iterator[Item]:
    images = pair_of(config, run)
    labels, sizes = run.load("prototypes/label"), np.bincount(np.maximum(run.load("clusters/label"), 0))
    made, curves, walks = (run.load(f"prototypes/{name}") for name in ("image", "curve", "walk"))
    nearest, near = run.load("prototypes/nearest"), run.load("prototypes/nearest_distance")
    attribution = run.load("prototypes/attribution").sum(axis=1)
    real = images.signed(nearest)
    reach = float(np.abs(attribution).max()) or 1.0
    for row, label in enumerate(labels):
        there = np.isfinite(curves[row]).all(axis=1)
        curve = curves[row][there]
        yield Item(
            id=f"prototype/{row}",
            title=f"cluster {label + 1}",
            subtitle=f"{sizes[label]} images",
            facets={"cluster": str(label + 1)},
            numbers={"images": float(sizes[label]), "distance to the nearest real": float(near[row])},
            frames={"prototype": unit(made[row]), "nearest real": unit(real[row])},
            paintings={"attribution": signed_colours(attribution[row], reach)},
            curve=curve,
            chosen=int(np.argmin(np.abs(curve[:, 0]))),
            walk=unit(walks[row][there]),
            facts={
                "nearest real": images.ids[nearest[row]],
                "probability": f"{curve[np.abs(curve[:, 0]).argmin(), 1]:.3f}",
            },
        )


def _samples(config: "Config", run: Run) -> Iterator[Item]:
    numbers, labels, places = (run.load(name) for name in ("ambiguous/number", "clusters/label", "ambiguous/map"))
    p = drawn_probability(config, run, "step2")
    images = run.array("step2/generated")
    for row in range(min(len(numbers), config.report.items)):
        number = int(numbers[row])
        yield Item(
            id=f"sample/{number}",
            title=f"image {number}",
            subtitle=f"p {p[number]:.3f}",
            facets={"cluster": "none" if labels[row] < 0 else str(labels[row] + 1)},
            numbers={"distance from undecided": float(abs(p[number] - 0.5)), "probability": float(p[number])},
            frames={"image": unit(np.asarray(images[number]))},
            place=(float(places[row, 0]), float(places[row, 1])),
        )


def _criticised(run: Run) -> list[Section]:
    """Return what prototypes stand for worst, cluster by cluster."""
    labels, images = run.load("criticisms/label"), run.load("criticisms/image")
    if not len(labels):
        return []
    pictures = [_strip(images[labels == one], f"cluster {one + 1}") for one in np.unique(labels).tolist()]
    about = "Of each cluster the images that its prototypes stand for worst."
    return [Section("Criticisms", (Pictures(pictures),), about)]


def _strip(rows: np.ndarray, name: str) -> Picture:
    """Return images side by side."""
    return Picture(
        png(grey(np.concatenate(list(rows.mean(axis=1)), axis=1), (-1.0, 1.0))), name, "mean of the channels"
    )


def _strips(config: "Config", run: Run) -> Pictures:
    """Return, for each way and for real images held out in the band, the first few, side by side."""
    real = pair_of(config, run).signed(held_out_in_band(config, run)[:_STRIP])
    strips = {way: np.asarray(run.array(f"ways/{way.replace(' ', '')}")[:_STRIP]) for way in WAYS} | {
        "real, held out": real
    }
    return Pictures([_strip(rows, name) for name, rows in strips.items() if len(rows)])


def _ways(run: Run) -> Table:
    """Return what each way finds, and the floor."""
    found = run.figures_by_name()
    rows = []
    for way in WAYS:
        bought = found[f"images in band, {way}"].value
        values = [found[f"{what}, {way}"] for what in (*_REALISM, "nearest real")]
        rows.append((way, f"{bought:,.0f}", *(f"{one.value:.3g}" for one in values), str(values[0].images)))
    floor = [found[f"{what} distance, real"] for what in ("Frechet", "kernel")]
    rows.append(("real, held out", "", *(f"{one.value:.3g}" for one in floor), "1", str(floor[0].images)))
    columns = ("way", "images in band", "Frechet distance", "kernel distance", "nearest real", "images compared")
    caption = (
        "Nearest real: median distance to a training image for that of real images held out; far below 1 is copied."
    )
    return Table(columns, rows, caption, columns[1:])


def _drawings(config: "Config", run: Run) -> list[Drawings]:
    tables = {one.name: run.load(f"epochs/{one.name}") for one in attempts_of(config)}
    longest = max(len(table) for table in tables.values()) - 1
    games = []
    for place, (label, top) in enumerate(
        (("Frechet distance", None), ("confusion distance", 0.5), ("share in band", 1.0))
    ):
        most = top or max(float(np.nanmax(table[:, place])) for table in tables.values()) * 1.05
        lines = [
            Band(name, np.arange(len(table), dtype=float), table[:, place], table[:, place], table[:, place])
            for name, table in tables.items()
        ]
        svg = bands(lines, Axes("epoch of step 2", label, (0.0, float(longest)), (0.0, most)), label)
        games.append(Drawing(svg, label[0].upper() + label[1:]))
    return [Drawings(games), Drawings([_front(run), _probabilities(config, run)])]


def _front(run: Run) -> Drawing:
    rows = run.load("selection")
    front, chosen = rows[rows[:, 2] == 1], rows[rows[:, 3] == 1]
    order = front[np.argsort(front[:, 0])]
    most = float(np.nanmax(rows[:, 0])) * 1.05
    clouds = [Cloud("epochs", rows[:, :2]), Cloud("front", order[:, :2], joined=True), Cloud("chosen", chosen[:, :2])]
    svg = scatter(
        clouds, Axes("Frechet distance", "confusion distance", (0.0, most), (0.0, 0.5)), "realism against ambiguity"
    )
    return Drawing(svg, "The bargain", "Every epoch of every attempt; low is good on both axes.")


def _probabilities(config: "Config", run: Run) -> Drawing:
    values = {f"step {step[-1]}": drawn_probability(config, run, step) for step in STEPS}
    values["real, held out"] = real_probability(config, run)[pair_of(config, run).splits > 0]
    svg = histogram(values, [round(0.1 * edge, 1) for edge in range(11)], "probability", "probabilities")
    return Drawing(svg, "What the classifier says", "Of images drawn by either generator, and of real ones.")
