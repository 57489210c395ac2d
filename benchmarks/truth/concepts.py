"""Planted concepts and a planted shortcut: what a detector learned, what tests of concepts tell, how local walks are.

    .venv/bin/python benchmarks/truth/concepts.py --seeds 3 --to runs/truth

For each seed three runs: the demo, with pushes along the gradient at earlier layers too; the same slides with ink
beside nine figures of ten; and with ink beside as many look-alikes too, so that it says nothing; the last two up to the
tests. Finished runs are not done again; other pushes redo `shift` alone.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from finished import command, finished, spread

from aliter.data.run import Run
from aliter.workflows.concepts import Config
from aliter.workflows.concepts.push import Push
from aliter.workflows.concepts.score import scored

DEMO = Path(__file__).parents[2] / "configs" / "concepts" / "demo.yaml"
INK: dict[str, dict[str, Any]] = {
    "no ink": {},
    "shortcut": {"shortcut": 0.9},
    "ink that says nothing": {"shortcut": 0.9, "decoys": 0.9},
}
EARLIER = ("maxpool", "layer1")
"""Layers before the one that is decoded at which the gradient pushes too; the first is the end of the stem."""
LAYERS = {"stem": " at maxpool", "layer1": " at layer1", "layer2, decoded": ""}
"""What each is called, and how the name of its pushes goes on."""
COLUMNS = {
    "target reached": "target reached",
    "change in the box and margin": "change in and near the box",
    "largest change of another detection": "largest change of another detection",
    "change of the image": "change of the image",
}
TOLD = {True: ("detect", "score", "decode", "shift"), False: ("detect", "score")}
"""Stages whose figures are told, without ink and with it."""


def with_seed(config: Config, seed: int, ink: dict[str, Any]) -> Config:
    """Return ``config`` with all its chance from ``seed``, and with ``ink``; without any, with pushes at all layers."""
    values = config.model_dump(mode="json")
    values["images"] |= {"seed": seed, **ink}
    for stage in ("detect", "decode"):
        values[stage]["fit"]["seed"] = seed
    values["discover"]["seed"] = values["score"]["seed"] = seed
    if ink:
        values["discover"]["segments"] |= {"window": 40, "counts": [6, 20]}
    else:
        values["shift"]["pushes"] += [
            Push(concepts={f"backbone.body.{layer}": {}}, within=within).model_dump(mode="json")
            for layer in EARLIER
            for within in ("box", "everywhere")
        ]
    return Config.model_validate(values)


def summary(runs: dict[str, list[Run]]) -> str:
    """Return Markdown: each figure over the seeds, with and without ink."""
    lines = ["| slides | stage | figure | mean | lowest | highest | seeds |", "|---|---|---|--:|--:|--:|--:|"]
    for name, mine in runs.items():
        found: dict[tuple[str, str], list[float]] = {}
        for figures in (run.figures() for run in mine):
            for stage in TOLD[not INK[name]]:
                for one in figures[stage]:
                    found.setdefault((stage, one.name), []).append(one.value)
        for (stage, figure), values in found.items():
            numbers = " | ".join(f"{value:.4g}" for value in (np.mean(values), min(values), max(values)))
            lines.append(f"| {name} | {stage} | {figure} | {numbers} | {len(values)} |")
    return "\n".join(lines)


def planted(runs: list[Run]) -> str:
    """Return Markdown: how each planted concept stood in each layer, seed by seed."""
    heads = [f"seed {seed}" for seed in range(len(runs))]
    lines = [f"| layer | concept | {' | '.join(heads)} |", f"|---|---|{'--:|' * len(heads)}"]
    found: dict[tuple[str, str], dict[int, str]] = {}
    for seed, run in enumerate(runs):
        for row in scored(run):
            if not row.control and not row.name.isdigit():
                key = row.layer.rpartition(".")[2], row.name
                cell = f"{row.lean:+.3f}, {row.adjusted:.2g}, {row.learned:.2g}"
                found.setdefault(key, {})[seed] = cell
    for (layer, name), cells in sorted(found.items()):
        lines.append(f"| {layer} | {name} | {' | '.join(cells.get(seed, '') for seed in range(len(runs)))} |")
    return "\n".join(lines)


def local(runs: list[Run]) -> str:
    """Return Markdown: what the gradient alone alters, pushed at each layer, everywhere and in the box."""
    figures = [{one.name: one.value for one in run.figures()["shift"]} for run in runs]
    lines = [f"| pushed at | within | {' | '.join(COLUMNS)} |", f"|---|---|{'--:|' * len(COLUMNS)}"]
    for layer, at in LAYERS.items():
        for within, where in (("everywhere", ", everywhere"), ("box", "")):
            names = [f"{figure}, grad{at}{where}" for figure in COLUMNS.values()]
            cells = [spread([one[name] for one in figures if name in one], ".3g") for name in names]
            lines.append(f"| {layer} | {within} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    seeds: Annotated[int, typer.Option(help="Seeds from 0.")] = 1,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    """Run the demo with several seeds, without and with ink; print what was found over them."""
    demo = Config.read(DEMO)
    runs: dict[str, list[Run]] = {name: [] for name in INK}
    for seed in range(seeds):
        for name, ink in INK.items():
            path = to / f"concepts-{name.replace(' ', '-')}-{seed}"
            runs[name].append(finished(with_seed(demo, seed, ink), path, "score" if ink else None))
    print(f"\n## {seeds} seeds: mean, lowest and highest\n\n{summary(runs)}")
    print(f"\n## What the gradient alone alters: mean (lowest to highest)\n\n{local(runs['no ink'])}")
    for name, mine in runs.items():
        print(f"\n## Planted concepts, {name}: lean, p by rank corrected, p among random weights corrected")
        print(f"\n{planted(mine)}")


if __name__ == "__main__":
    command(main)
