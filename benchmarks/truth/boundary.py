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
from finished import command, finished, spread

from aliter.data.run import Figure
from aliter.workflows.boundary import Config
from aliter.workflows.boundary.classify import chosen_classifier
from aliter.workflows.boundary.compare import WAYS

Runs = dict[str, list[dict[str, Figure]]]
"""Of each pair and width the figures of each seed."""
STEPS = ("confusion distance", "share in band", "Frechet distance")
GROUPS = "adjusted Rand index"
REALISM = ("Frechet distance", "kernel distance")


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
    """Return Markdown: for each pair and width the two steps, as means over seeds, lowest and highest."""
    names = ["confusion distance, real", *(f"{what}, step{step}" for what in STEPS for step in (1, 2)), GROUPS]
    return "\n".join(
        [
            f"| pair, width | seeds | {' | '.join(names)} |",
            f"|---|--:|{'--:|' * len(names)}",
            *(
                f"| {pair} | {len(rows)} | {' | '.join(spread([row[name].value for row in rows]) for name in names)} |"
                for pair, rows in runs.items()
            ),
        ]
    )


def ways(runs: Runs) -> str:
    """Return Markdown: for each pair and width what each way finds, as means over seeds, and the floor."""
    columns = "way", "images in band for the cost of step 2", *REALISM, "nearest real", "images compared"
    lines = [f"| pair, width | {' | '.join(columns)} |", f"|---|---|{'--:|' * (len(columns) - 1)}"]
    for pair, rows in runs.items():
        for way in WAYS:
            bought = np.mean([row[f"images in band, {way}"].value for row in rows])
            names = [*(f"{what} in band, {way}" for what in REALISM), f"nearest real, {way}"]
            cells = [spread([row[name].value for row in rows], ".2f") for name in names]
            equal = min(row[names[0]].images for row in rows)
            lines.append(f"| {pair} | {way} | {bought:,.0f} | {' | '.join(cells)} | {equal} |")
        floor = [[row[f"{what}, real"] for row in rows] for what in REALISM]
        cells = [spread([one.value for one in values], ".2f") for values in floor]
        lines.append(f"| {pair} | real, held out | | {' | '.join(cells)} | 1 | {floor[0][0].images} |")
    return "\n".join(lines)


def all_runs(config: Config, pairs: list[str], widths: list[int], seeds: int, to: Path) -> Runs:
    """Return the figures of all runs, made seed by seed; what hangs on no classifier is made once."""
    runs: Runs = {f"{pair}, {width}": [] for pair in pairs for width in widths}
    for seed, pair in product(range(seeds), pairs):
        first = to / f"boundary-{pair}-{widths[0]}-{seed}"
        for width in widths:
            path = to / f"boundary-{pair}-{width}-{seed}"
            run = finished(of_pair(config, pair, width, seed), path, source=None if path == first else first)
            found = run.figures_by_name()
            real = found[f"confusion distance, {chosen_classifier(run)}, real"]
            runs[f"{pair}, {width}"].append(found | {"confusion distance, real": real})
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
    command(main)
