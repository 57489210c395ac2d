"""The demo of the counterfactual workflow over several seeds: every figure with its spread, as a table.

    scripts/bench truth --seeds 3 --to runs/truth

Each seed changes the images, the classifier and the translator. Finished runs are not done again.
"""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from finished import command, finished

from aliter.data.run import Figure
from aliter.workflows.counterfactual import Config


def with_seed(config: Config, seed: int) -> Config:
    """Return ``config`` with all its chance from ``seed``."""
    values = config.model_dump(mode="json")
    values["images"]["seed"] = seed
    for block in ("classify", "translate"):
        values[block]["fit"]["seed"] = seed
    return Config.model_validate(values)


def in_numbers(config: Config, precision: Literal["32", "bf16"]) -> Config:
    """Return ``config`` with both fits in these numbers."""
    values = config.model_dump(mode="json")
    for block in ("classify", "translate"):
        values[block]["fit"]["precision"] = precision
    return Config.model_validate(values)


def table(runs: list[dict[str, Figure]]) -> str:
    """Return Markdown: for each figure its mean over seeds, lowest, highest, and the images behind one seed."""
    lines = ["| figure | mean | lowest | highest | images a seed | note |", "|---|--:|--:|--:|--:|---|"]
    for name, first in runs[0].items():
        values = np.array([run[name].value for run in runs])
        cells = f"{values.mean():.3f} | {values.min():.3f} | {values.max():.3f} | {first.images}"
        lines.append(f"| {name} | {cells} | {'' if len(runs) > 1 and 'half of all' in first.note else first.note} |")
    return "\n".join(lines)


def main(
    config: Annotated[Path, typer.Option(help="What is run.")] = Path("configs/counterfactual/demo.yaml"),
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 3,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
    precision: Annotated[Literal["32", "bf16"], typer.Option(help="Numbers of the forward passes.")] = "32",
) -> None:
    """Run ``config`` with several seeds and print the table."""
    chosen = Config.read(config)
    stem = config.stem if precision == "32" else f"{config.stem}-{precision}"
    chosen = in_numbers(chosen, precision)
    runs = [finished(with_seed(chosen, seed), to / f"{stem}-{seed}").figures_by_name() for seed in range(seeds)]
    print(f"\n{stem}, {seeds} seeds\n\n{table(runs)}")


if __name__ == "__main__":
    command(main)
