"""Every attribution on every kind of pair, against planted truth; with two controls that must fail.

    scripts/bench truth attribution --seeds 3 --to runs/attribution

The demo of the counterfactual workflow with all attributions. First control: the same maps of a classifier of random
weights. Second: a classifier trained where debris gives the class away, whose explanations must point at the debris.
Finished runs are not done again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from counterfactual import with_seed
from finished import command, finished

from aliter.data.run import Run
from aliter.methods.attribution import METHODS
from aliter.methods.attribution.normalise import normalised
from aliter.nets.blocks import initialise
from aliter.nets.frozen import Frozen
from aliter.ops.truth import overlap
from aliter.workflows.counterfactual import Config
from aliter.workflows.counterfactual.classify import classifier_of
from aliter.workflows.counterfactual.pairs import pairs_of

VANILLA = ("integrated_gradients", "deep_lift", "gradient_difference")
"""Of the others the map without a baseline is the same as with one, or none."""
KINDS = ("nuisance", "plain", "latent", "reference")
Rows = dict[str, list[list[float]]]
"""For each method the values of its columns, each a list over seeds."""


def every(config: Config, **changes: Any) -> Config:
    """Return ``config`` with all attributions, and ``changes`` of its blocks."""
    values = config.model_dump(mode="json")
    values["attribute"] = {
        "discriminative": [{"kind": method().kind} for method in METHODS],
        "vanilla": [{"kind": kind} for kind in VANILLA],
    }
    for block, change in changes.items():
        values[block] |= change
    return Config.model_validate(values)


def randomised(config: Config, path: Path, seed: int) -> dict[str, float]:
    """Return the mean average precision on nuisance pairs of the maps of a classifier of random weights."""
    run = Run(path, config)
    net = classifier_of(config, run).module
    initialise({"classifier": net}, seed + 1)
    probe, found = Frozen(net), {}
    for name, method in config.attribute.named.items():
        scores = []
        for pairs in (one for one in pairs_of(run) if one.kind == "nuisance"):
            x = torch.from_numpy(pairs.queries(run, slice(None)))
            other = torch.from_numpy(pairs.generated(run, slice(None))[:, 0])
            baseline = torch.zeros_like(x) if name.startswith("vanilla_") else other
            maps = normalised(method(probe, x, baseline, pairs.source)).numpy()
            truth = run.load(pairs.name("truth"))
            scores += [overlap(one, one, two)[3] for one, two in zip(truth, maps, strict=True)]
        found[name] = float(np.nanmean(scores))
    return found


def table(title: str, columns: Sequence[str], rows: Rows) -> str:
    """Return Markdown: the rows, best first by their first column; mean over seeds, lowest to highest."""
    lines = [f"| {title} | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"]
    for name, cells in sorted(rows.items(), key=lambda row: -np.mean(row[1][0])):
        texts = [f"{np.mean(cell):.3f} ({min(cell):.3f} to {max(cell):.3f})" for cell in cells]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(texts)} |")
    return "\n".join(lines)


def main(
    config: Annotated[Path, typer.Option(help="What is run.")] = Path("configs/counterfactual/demo.yaml"),
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 3,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/attribution"),
) -> None:
    """Run ``config`` with all attributions, and both controls, and print three tables."""
    chosen = Config.read(config)
    sound, misled = every(chosen), every(chosen, images={"shortcut": 1}, generate={"kinds": [], "pairs": ["nuisance"]})
    names = list(sound.attribute.named)
    tables: list[dict[str, list[list[float]]]] = [{name: [] for name in names} for _ in range(3)]
    truths, scores, shortcuts = tables
    for seed in range(seeds):
        path = to / f"{config.stem}-{seed}"
        found = finished(with_seed(sound, seed), path).figures_by_name()
        control = randomised(with_seed(sound, seed), path, seed)
        misses = finished(with_seed(misled, seed), to / f"{config.stem}-shortcut-{seed}").figures_by_name()
        for name in names:
            truths[name].append([*(found[f"average precision, {name}, {kind}"].value for kind in KINDS), control[name]])
            scores[name].append([found[f"QuAC score, {name}, {kind}"].value for kind in KINDS])
            where = [f"average precision{where}, {name}, nuisance" for where in ("", " with the shortcut")]
            shortcuts[name].append([misses[one].value for one in where])
    for title, columns, rows in (
        ("average precision", (*KINDS, "nuisance, random weights"), truths),
        ("median QuAC score", KINDS, scores),
        ("average precision where debris gives the class away", ("the classes' difference", "the debris"), shortcuts),
    ):
        swapped = {name: [list(one) for one in zip(*of, strict=True)] for name, of in rows.items()}
        print(f"\n{table(title, columns, swapped)}")


if __name__ == "__main__":
    command(main)
