"""What a weight of the style diversification changes: rates of each pair, spread over styles, scores.

    scripts/bench truth diversity configs/counterfactual/fictus_128_lambda_ds_*.yaml --to runs/published
    scripts/bench truth diversity configs/counterfactual/tiny.yaml --weights 0,0.5,0.9 --to runs/small

All runs share the images and the classifier of the first. A single shot is one try of every validation image: its rate
is what one who draws once gets. Finished runs are not done again.
"""

from itertools import permutations, product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from finished import command, finished

from aliter.data import ledger
from aliter.data.run import Run
from aliter.workflows.counterfactual import Config
from aliter.workflows.counterfactual.translate import KINDS


def weighted(config: Config, weight: float) -> Config:
    """Return ``config`` with this weight of the style diversification."""
    values = config.model_dump(mode="json")
    values["translate"]["objective"]["diversity"] = weight
    return Config.model_validate(values)


def table(runs: dict[str, Run]) -> str:
    """Return Markdown: for each run and kind of style the step that was chosen, rates, spread, scores."""
    head = ("weight", "styles", "step chosen", "spread over styles", "median QuAC score")
    lines = ["| " + " | ".join(head) + " |", "|---|---|--:|--:|--:|"]
    for weight, run in runs.items():
        figures = run.figures_by_name()
        (best,) = (one for one in ledger.outputs(run.path, "translate") if "/translator-best-" in one)
        for kind in KINDS:
            known = figures.get(f"QuAC score, integrated_gradients, {kind}")
            score = known.value if known else np.nan
            spread = figures[f"spread over styles, {kind}"].value
            lines.append(f"| {weight} | {kind} | {int(Path(best).stem[-8:]):,} | {spread:.4f} | {score:.3f} |")
    return "\n".join(lines)


def rates(runs: dict[str, Run]) -> str:
    """Return Markdown: for each pair the mean rate of single shots with their range, and that of the best try."""
    lines = ["| weight | styles | pair | single shot | any try | images | tries |", "|---|---|---|--:|--:|--:|--:|"]
    for weight, run in runs.items():
        classes = run.facts["classes"]
        for kind, (source, target) in product(KINDS, permutations(range(len(classes)), 2)):
            shots, (_, converted, count) = run[f"shots/{kind}"][source, target], run[f"rates/{kind}"][source, target]
            single = f"{shots.mean():.3f} ({shots.min():.3f} to {shots.max():.3f})"
            pair = f"{classes[source]} to {classes[target]}"
            lines.append(f"| {weight} | {kind} | {pair} | {single} | {converted:.3f} | {count:.0f} | {len(shots)} |")
    return "\n".join(lines)


def main(
    configs: Annotated[list[Path], typer.Argument(help="What is run, one for each weight.")],
    weights: Annotated[str, typer.Option(help="Weights to give the one config, such as 0,0.5,0.9.")] = "",
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/diversity"),
) -> None:
    """Run all, and print both tables."""
    read = [Config.read(path) for path in configs]
    chosen = [weighted(read[0], float(one)) for one in weights.split(",")] if weights else read
    runs: dict[str, Run] = {}
    for config in chosen:
        weight = f"{config.translate.objective.diversity:g}"
        first = next(iter(runs.values()), None)
        runs[weight] = finished(config, to / weight, source=first.path if first else None)
    print(f"\n{table(runs)}\n\n{rates(runs)}")


if __name__ == "__main__":
    command(main)
