"""Whether ambiguous images lie at the planted boundary: the radius of the nucleus in simulated cells is known.

    scripts/bench truth boundary_factor --seeds 3 --to runs/truth

Classes differ in the radius of the nucleus alone: below and above 7.25 px at a size of 64. The radius of a generated
cell is read from its nucleus channel; how well that can be read is printed for real cells.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from boundary import with_seed
from finished import command, finished
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter, label

from aliter.data.images import Images
from aliter.data.run import Run
from aliter.data.simulate import Fictus
from aliter.workflows.boundary import Config
from aliter.workflows.boundary.classify import in_band, real_probability
from aliter.workflows.boundary.pair import pair_of
from aliter.workflows.boundary.select import drawn_probability

RADII = (5.5, 9.0)
MIDDLE = sum(RADII) / 2
_NUCLEUS = 2
_SIZE = 64
_SHARE = 0.4
"""Of the brightest above the dark: from there on it is nucleus."""


def radii_px(images: Float[np.ndarray, "N C H W"]) -> Float[np.ndarray, " N"]:
    """Return the radius of the disc that has the area of the nucleus, in pixels at a size of 64.

    The nucleus is what is bright about the brightest place of the middle, which debris does not reach.
    """
    size = images.shape[-1]
    middle = slice(size // 4, -(size // 4))
    found = []
    for channel in images[:, _NUCLEUS]:
        smooth = gaussian_filter(channel, size / _SIZE)
        dark, inner = np.median(smooth), smooth[middle, middle]
        regions, _ = label(inner > dark + _SHARE * (inner.max() - dark))
        found.append(np.count_nonzero(regions == regions.flat[inner.argmax()]))
    return np.asarray(np.sqrt(np.array(found) / np.pi) * _SIZE / size)


def true_radii_px(images: Images, numbers: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Return the radii that simulated cells were drawn with, in pixels at a size of 64."""
    cells = Fictus.model_validate(images.source)
    drawn = (cells.record(images.labels[number], int(Path(images.ids[number]).name)) for number in numbers)
    return np.array([one["nucleus_px"] for one in drawn]) * _SIZE / cells.size


def errors(config: Config, run: Run) -> dict[str, Float[np.ndarray, " N"]]:
    """Return how far the radii of cells are from the boundary, in px; of real ones, from their own radius, too."""
    images = pair_of(config, run)
    train, held_out = images.split("train"), np.flatnonzero(images.splits > 0)
    slope, offset = np.polyfit(true_radii_px(images, train), radii_px(images.signed(train)), 1)
    true, read = true_radii_px(images, held_out), (radii_px(images.signed(held_out)) - offset) / slope
    inside = in_band(real_probability(config, run)[held_out])
    found = {
        "real, from their own radius": np.abs(read - true),
        "real, all": np.abs(true - MIDDLE),
        "real, in the band": np.abs(true[inside] - MIDDLE),
    }
    for step in ("step1", "step2"):
        radius = (radii_px(run.load(f"{step}/generated")) - offset) / slope
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
