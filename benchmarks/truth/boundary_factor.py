"""Whether ambiguous images lie at the planted boundary: in simulated cells the factor that makes the class is known.

    scripts/bench truth boundary_factor --seeds 3 --to runs/truth

Classes differ in one factor alone, so the boundary is midway between its two levels. Of a generated cell the factor is
read from the image. How well that can be read is printed for real cells with any level between the two, and so is how
far from the boundary those of them lie that most classifiers cannot decide.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from boundary import with_seed
from finished import command, finished, spread
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter, label
from skimage.morphology import convex_hull_image

from aliter.data.images import to_signed
from aliter.data.run import Run
from aliter.data.simulate import Fictus
from aliter.data.simulate.fictus import LEVELS, Factor
from aliter.ops.ambiguity import confusion_distance, surest
from aliter.workflows.boundary import Config
from aliter.workflows.boundary.classify import agreed, between_of, in_band, names_of
from aliter.workflows.boundary.pair import probability
from aliter.workflows.boundary.select import drawn_probability

_SIZE = 64
"""Lengths are told in pixels of an image of this size."""
_BETWEEN = 400
"""Cells of any level that reading is fitted on, and as many that it is tried on."""
_NEAR = 0.05
"""Cells are about the boundary that are no further from it, in units of what is between the levels."""

_Images = Float[np.ndarray, "N C H W"]
_Values = Float[np.ndarray, " N"]


def radii_px(images: _Images) -> _Values:
    """Return the radius of the disc that has the area of the nucleus, in pixels at a size of 64.

    The nucleus is what is bright about the brightest place of the middle, which debris does not reach.
    """
    size = images.shape[-1]
    middle = slice(size // 4, -(size // 4))
    areas = []
    for channel in images[:, 2]:
        inner = gaussian_filter(channel, size / _SIZE)[middle, middle]
        areas.append(np.count_nonzero(_region(inner, np.median(channel), 0.4)))
    return np.asarray(np.sqrt(np.array(areas) / np.pi) * _SIZE / size)


def elongations(images: _Images) -> _Values:
    """Return the ratio of the axes of what the membrane surrounds, by second moments of its hull."""
    ratios = []
    for channel in images[:, 1]:
        smooth = gaussian_filter(channel, images.shape[-1] / _SIZE)
        hull = convex_hull_image(_region(smooth, np.median(smooth), 0.3))  # type: ignore[no-untyped-call]
        short, long = np.linalg.eigvalsh(np.cov(np.argwhere(hull).astype(float), rowvar=False))
        ratios.append(np.sqrt(long / short))
    return np.array(ratios)


def _region(values: Float[np.ndarray, "h w"], dark: float, share: float) -> Bool[np.ndarray, "h w"]:
    """Return the region of the brightest place that is brighter than a share of the way there from ``dark``."""
    regions, _ = label(values > dark + share * (values.max() - dark), np.ones((3, 3)))
    return np.asarray(regions == regions.flat[values.argmax()])


READ: dict[Factor, Callable[[_Images], _Values]] = {"nucleus": radii_px, "elongation": elongations}
"""How each factor is read from images."""
RECORDED = {"nucleus": "nucleus_px", "elongation": "elongation"}


def planted(config: Config) -> Factor:
    """Return the one factor that the classes of ``config`` differ in."""
    assert isinstance(config.images, Fictus)
    (factor,) = config.images.factors
    return factor


def cells_between(config: Config, take: int) -> tuple[_Images, _Values]:
    """Return cells whose factor is anywhere between its levels, and its values; another ``take`` is other cells."""
    assert isinstance(config.images, Fictus)
    factor, seed = planted(config), config.images.seed + 1000 * take
    cells = Fictus(count=_BETWEEN // 2, size=config.images.size, factors=("aggregates",), seed=seed)
    both = list(product(range(len(cells.classes)), range(cells.count)))
    scale = _SIZE / cells.size if factor == "nucleus" else 1
    values = np.array([cells.record(*one)[RECORDED[factor]] for one in both]) * scale
    return to_signed(np.stack([cells.draw(*one) for one in both]), cells.range), values


def probabilities(config: Config, run: Run, cells: _Images) -> Float[np.ndarray, "N classifiers"]:
    """Return what each classifier says of ``cells``."""
    asked = (between_of(config, run, name) for name in names_of(config.classify))
    return np.stack([probability(one, cells, run.device) for one in asked], axis=1)


def distances(config: Config, run: Run) -> dict[str, _Values]:
    """Return how far from the boundary the factor is, in cells by what they are; first, how well it can be read."""
    factor = planted(config)
    middle = sum(LEVELS[factor]) / 2
    cells, values = cells_between(config, 1)
    slope, offset = np.polyfit(values, READ[factor](cells), 1)

    def read(images: _Images) -> _Values:
        return np.asarray((READ[factor](images) - offset) / slope)

    cells, values = cells_between(config, 2)
    found_there = read(cells)
    inside = agreed(probabilities(config, run, cells))
    found = {
        "real, of any level: error of reading": np.abs(found_there - values),
        "real, of any level, in the band of most": np.abs(found_there - middle)[inside],
    }
    for step in ("step1", "step2"):
        away = np.abs(read(run.load(f"{step}/generated")) - middle)
        p = run.load(f"{step}/probability")
        found[f"{step}, all"] = away
        found[f"{step}, in the band of those asked"] = away[in_band(drawn_probability(config, run, step))]
        found[f"{step}, in the band of one"] = np.concatenate([away[one] for one in in_band(p).T])
        found[f"{step}, in the band of most"] = away[agreed(p)]
    return found


def at_boundary(config: Config, run: Run) -> float:
    """Return how far from undecided the surest of all classifiers is of real cells about the boundary: their mean."""
    low, high = LEVELS[planted(config)]
    cells, values = cells_between(config, 3)
    near = np.abs(values - (low + high) / 2) < _NEAR * (high - low)
    return float(confusion_distance(surest(probabilities(config, run, cells[near]))).mean())


def main(
    config: Annotated[Path, typer.Option(help="What is run.")] = Path("configs/boundary/fictus.yaml"),
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 3,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    """Run ``config`` with several seeds and print the median distances from the boundary."""
    rows, undecided = [], []
    for seed in range(seeds):
        one = with_seed(Config.read(config), seed)
        run = finished(one, to / f"boundary-{config.stem}-{seed}", until="select")
        rows.append(distances(one, run))
        undecided.append(at_boundary(one, run))
    print(f"\n| {config.stem}: distance from the boundary | {' | '.join(f'seed {seed}' for seed in range(seeds))} |")
    print(f"|---|{'--:|' * seeds}")
    for name in rows[0]:
        cells = [f"{np.median(row[name]):.2f} ({len(row[name])})" if len(row[name]) else "none" for row in rows]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\nOf real cells about the boundary the surest classifier is {spread(undecided)} from undecided.")


if __name__ == "__main__":
    command(main)
