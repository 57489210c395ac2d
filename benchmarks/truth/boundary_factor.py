"""Whether ambiguous images lie at the planted boundary: the radius of the nucleus in simulated cells is known.

    scripts/bench truth boundary_factor --seeds 3 --to runs/truth

Classes differ in the radius of the nucleus alone, 5.5 and 9 px at a size of 64, so the boundary is at 7.25. The radius
of a generated cell is read from its nucleus channel; how well that can be read is printed for real cells.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from boundary import with_seed
from finished import command, finished
from jaxtyping import Float
from scipy.ndimage import gaussian_filter, label

from aliter.data.run import Run
from aliter.workflows.boundary import Config
from aliter.workflows.boundary.classify import in_band
from aliter.workflows.boundary.pair import pair_of
from aliter.workflows.boundary.select import drawn_probability

RADII = (5.5, 9.0)
MIDDLE = sum(RADII) / 2
_NUCLEUS = 2
_SIZE = 64
_SHARE = 0.4
"""Of the brightest above the dark: from there on it is nucleus."""


def radii_px(images: Float[np.ndarray, "N C H W"]) -> Float[np.ndarray, " N"]:
    """Return the radius of the disc that has the area of the nucleus, the brightest spot, in pixels at a size of 64."""
    scale = images.shape[-1] / _SIZE
    found = []
    for channel in images[:, _NUCLEUS]:
        smooth = gaussian_filter(channel, scale)
        dark = np.median(smooth)
        regions, _ = label(smooth > dark + _SHARE * (smooth.max() - dark))
        found.append(np.count_nonzero(regions == regions.flat[smooth.argmax()]))
    return np.asarray(np.sqrt(np.array(found) / np.pi) / scale)


def calibrated(real: Float[np.ndarray, " N"], labels: np.ndarray) -> tuple[float, float]:
    """Return slope and offset that take the median of either class to its radius."""
    small, large = (float(np.median(real[labels == label])) for label in (0, 1))
    slope = (RADII[1] - RADII[0]) / (large - small)
    return slope, RADII[0] - slope * small


def errors(config: Config, run: Run) -> dict[str, Float[np.ndarray, " N"]]:
    """Return how far the radii of cells are from the boundary, in px; of real ones, from their own radius."""
    images = pair_of(config, run)
    held_out = np.flatnonzero(images.splits > 0)
    slope, offset = calibrated(radii_px(images.signed(images.split("train"))), images.labels[images.split("train")])
    read = slope * radii_px(images.signed(held_out)) + offset
    found = {"real, from their own radius": np.abs(read - np.array(RADII)[images.labels[held_out]])}
    for step in ("step1", "step2"):
        radius = slope * radii_px(run.load(f"{step}/generated")) + offset
        inside = in_band(drawn_probability(config, run, step))
        found[f"{step}, all"] = np.abs(radius - MIDDLE)
        found[f"{step}, in the band"] = np.abs(radius[inside] - MIDDLE)
    return found


def main(
    config: Annotated[Path, typer.Option(help="What is run.")] = Path("configs/boundary/fictus.yaml"),
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 3,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    """Run ``config`` with several seeds and print the median errors."""
    chosen = Config.read(config)
    rows = []
    for seed in range(seeds):
        one = with_seed(chosen, seed)
        rows.append(errors(one, finished(one, to / f"boundary-{config.stem}-{seed}")))
    print(f"\n{config.stem}: distance from the boundary at {MIDDLE} px, which lies {MIDDLE - RADII[0]} px from both\n")
    print(f"| images | {' | '.join(f'seed {seed}' for seed in range(seeds))} |\n|---|{'--:|' * seeds}")
    for name in rows[0]:
        cells = [f"{np.median(row[name]):.2f} ({len(row[name])})" if len(row[name]) else "none" for row in rows]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    command(main)
