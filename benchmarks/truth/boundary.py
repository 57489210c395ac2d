"""The boundary of real digits: what step 2 reaches from step 1, beside simpler ways, over seeds.

    scripts/bench truth boundary --pairs 7v1 --widths 2 --seeds 1 --to runs/truth

Each seed changes the digits held out, the classifiers, the GAN and all samples; classifiers of several widths are
confused by the same GAN. Finished runs are not done again.
"""

from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from finished import finished

from aliter.core.errors import AliterError
from aliter.data.run import Figure
from aliter.workflows.boundary import Config

Runs = dict[str, list[dict[str, Figure]]]
"""Of each pair and width the figures of each seed."""
WAYS = ("step 2", "filtering", "descent", "bisection")


def with_seed(config: Config, seed: int) -> Config:
    """Return ``config`` with its images and all that learns from ``seed``."""
    values = config.model_dump(mode="json")
    values["images"]["seed"] = seed
    values["classify"]["seeds"] = [3 * seed + one for one in range(len(config.classify.seeds))]
    for block in ("measure", "pretrain", "confuse"):
        values[block]["fit"]["seed"] = seed
    return Config.model_validate(values)


def of_pair(config: Config, pair: str, width: int, seed: int) -> Config:
    """Return ``config`` on a pair of digits such as 7v1, with classifiers of a width, all its chance from ``seed``."""
    values = with_seed(config, seed).model_dump(mode="json")
    values["classify"]["nets"]["cnn"]["width"] = width
    values["pair"] = [int(one) for one in pair.split("v")]
    for block in ("measure", "select", "compare", "embed", "cluster"):
        values[block]["seed"] = seed
    return Config.model_validate(values)


def steps(runs: Runs) -> str:
    """Return Markdown: for each pair and width the two steps, as medians over seeds, lowest and highest."""
    head = (
        "| pair, width | seeds | confusion, real | step 1 | step 2 | in band, step 1 | step 2 | adjusted Rand index |"
    )
    lines = [head, "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for pair, rows in runs.items():
        real = next(name for name in rows[0] if name.startswith("confusion distance") and name.endswith("real"))
        names = (real, *(f"{what}, step{step}" for what in ("confusion distance", "share in band") for step in (1, 2)))
        cells = [spread(rows, name) for name in (*names, "adjusted Rand index")]
        lines.append(f"| {pair} | {len(rows)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ways(runs: Runs) -> str:
    """Return Markdown: for each pair and width what each way finds, as medians over seeds, and the floor."""
    columns = "way", "images in band for the cost of step 2", "Frechet", "kernel", "nearest real", "images compared"
    lines = [f"| pair, width | {' | '.join(columns)} |", "|---|---|--:|--:|--:|--:|--:|"]
    for pair, rows in runs.items():
        for way in WAYS:
            names = [f"{what} in band, {way}" for what in ("Frechet distance", "kernel distance")]
            cells = [f"{median(rows, name):.3f}" for name in (*names, f"nearest real, {way}")]
            equal = min(row[names[0]].images for row in rows)
            lines.append(
                f"| {pair} | {way} | {median(rows, f'images in band, {way}'):,.0f} | {' | '.join(cells)} | {equal} |"
            )
        floor = [f"{median(rows, f'{what} distance, real'):.3f}" for what in ("Frechet", "kernel")]
        lines.append(
            f"| {pair} | real, held out | | {' | '.join(floor)} | 1.000 | {rows[0]['Frechet distance, real'].images} |"
        )
    return "\n".join(lines)


def spread(rows: list[dict[str, Figure]], name: str) -> str:
    """Return the median of a figure over seeds, and its lowest and highest."""
    values = [row[name].value for row in rows]
    return f"{median(rows, name):.3f} ({min(values):.3f} to {max(values):.3f})"


def median(rows: list[dict[str, Figure]], name: str) -> float:
    """Return the median of a figure over seeds."""
    return float(np.median([row[name].value for row in rows]))


def all_runs(config: Config, pairs: list[str], widths: list[int], seeds: int, to: Path) -> Runs:
    """Return the figures of all runs, made seed by seed; what hangs on no classifier is made once."""
    runs: Runs = {f"{pair}, {width}": [] for pair in pairs for width in widths}
    for seed, pair in product(range(seeds), pairs):
        first = to / f"boundary-{pair}-{widths[0]}-{seed}"
        for width in widths:
            path = to / f"boundary-{pair}-{width}-{seed}"
            run = finished(of_pair(config, pair, width, seed), path, source=None if path == first else first)
            runs[f"{pair}, {width}"].append(run.figures_by_name())
    return runs


def main(
    config: Annotated[Path, typer.Option(help="What is run.")] = Path("configs/boundary/demo.yaml"),
    pairs: Annotated[str, typer.Option(help="Pairs of digits.")] = "7v1,5v3,8v0,9v4",
    widths: Annotated[str, typer.Option(help="Widths of the classifiers.")] = "2,4",
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 3,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    """Run ``config`` on each pair with classifiers of each width and several seeds, and print the tables."""
    chosen = Config.read(config)
    runs = all_runs(chosen, pairs.split(","), [int(one) for one in widths.split(",")], seeds, to)
    print(f"\n{config.stem}\n\n{steps(runs)}\n\n{ways(runs)}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except AliterError as error:
        raise SystemExit(f"{error}") from error
