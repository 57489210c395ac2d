"""The boundary of real digits: what step 2 reaches from step 1, beside simpler ways, over seeds.

    scripts/bench truth boundary --pairs 7v1 --seeds 1 --to runs/truth

Each seed changes the digits held out, the classifiers, the GAN and all samples. Finished runs are not done again.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from finished import figures_of

from aliter.core.errors import AliterError
from aliter.data.run import Figure
from aliter.workflows.boundary import Config

WAYS = ("step 2", "filtering", "descent", "bisection")


def of_pair(config: Config, pair: str, seed: int) -> Config:
    """Return ``config`` on a pair of digits such as 7v1, with all its chance from ``seed``."""
    values = config.model_dump(mode="json")
    values["pair"] = [int(one) for one in pair.split("v")]
    values["images"]["seed"] = seed
    values["classify"]["seeds"] = [3 * seed + one for one in range(len(config.classify.seeds))]
    for block in ("measure", "pretrain", "confuse"):
        values[block]["fit"]["seed"] = seed
    for block in ("measure", "select", "compare", "embed", "cluster"):
        values[block]["seed"] = seed
    return Config.model_validate(values)


def steps(runs: dict[str, list[dict[str, Figure]]]) -> str:
    """Return Markdown: for each pair the two steps, as medians over seeds."""
    head = "| pair | seeds | confusion, real | step 1 | step 2 | in band, step 1 | step 2 | adjusted Rand index |"
    lines = [head, "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for pair, rows in runs.items():
        real = next(name for name in rows[0] if name.startswith("confusion distance") and name.endswith("real"))
        names = (real, *(f"{what}, step{step}" for what in ("confusion distance", "share in band") for step in (1, 2)))
        cells = [f"{median(rows, name):.3f}" for name in (*names, "adjusted Rand index")]
        lines.append(f"| {pair} | {len(rows)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ways(runs: dict[str, list[dict[str, Figure]]]) -> str:
    """Return Markdown: for each pair what each way finds, as medians over seeds, and the floor."""
    lines = [
        "| pair | way | images in band for the cost of step 2 | Frechet | kernel | nearest real | images compared |"
    ]
    lines.append("|---|---|--:|--:|--:|--:|--:|")
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


def median(rows: list[dict[str, Figure]], name: str) -> float:
    """Return the median of a figure over seeds."""
    return float(np.median([row[name].value for row in rows]))


def main(
    config: Annotated[Path, typer.Option(help="What is run.")] = Path("configs/boundary/demo.yaml"),
    pairs: Annotated[str, typer.Option(help="Pairs of digits.")] = "7v1,5v3,8v0,9v4",
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 3,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    """Run ``config`` on each pair with several seeds and print the tables."""
    chosen = Config.read(config)
    assert isinstance(chosen, Config)
    runs = {
        pair: [figures_of(of_pair(chosen, pair, seed), to / f"boundary-{pair}-{seed}") for seed in range(seeds)]
        for pair in pairs.split(",")
    }
    print(f"\n{config.stem}\n\n{steps(runs)}\n\n{ways(runs)}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except AliterError as error:
        raise SystemExit(f"{error}") from error
