"""Planted concepts and a planted shortcut: what a detector learned, and whether the tests of concepts tell.

    .venv/bin/python benchmarks/truth/concepts.py --seeds 1 --to runs/truth

For each seed three runs: the demo; the same slides with ink beside nine figures of ten; and with ink beside as many
look-alikes too, so that it says nothing; the last two up to the tests. Finished runs are not done again.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from finished import finished

from aliter.core.errors import AliterError
from aliter.data.run import Run
from aliter.workflows.concepts import Config
from aliter.workflows.concepts.score import scored

DEMO = Path(__file__).parents[2] / "configs" / "concepts" / "demo.yaml"
INK: dict[str, dict[str, Any]] = {
    "no ink": {},
    "shortcut": {"shortcut": 0.9},
    "ink that says nothing": {"shortcut": 0.9, "decoys": 0.9},
}


def with_seed(config: Config, seed: int, ink: dict[str, Any]) -> Config:
    """Return ``config`` with all its chance from ``seed``, and with ``ink``."""
    values = config.model_dump(mode="json")
    values["images"] |= {"seed": seed, **ink}
    for stage in ("detect", "decode"):
        values[stage]["fit"]["seed"] = seed
    values["discover"]["seed"] = values["score"]["seed"] = seed
    if ink:
        values["discover"]["segments"] |= {"window": 40, "counts": [6, 20]}
    return Config.model_validate(values)


def planted(run: Run) -> str:
    """Return Markdown: how each planted concept was tested in each layer."""
    lines = [
        "| layer | concept | score | lean | effect | p | corrected | unlike random weights | paired t |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in scored(run):
        if not row.control and not row.name.isdigit():
            numbers = f"{row.score:.2f} | {row.lean:.3f} | {row.effect:.1f} | {row.rank_p:.3g}"
            corrected = f"{row.adjusted:.3g} | {row.learned:.3g} | {row.t_p:.2g}"
            lines.append(f"| {row.layer.rpartition('.')[2]} | {row.name} | {numbers} | {corrected} |")
    return "\n".join(lines)


def main(
    seeds: Annotated[int, typer.Option(help="Seeds from 0.")] = 1,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    demo = Config.read(DEMO)
    assert isinstance(demo, Config)
    for seed in range(seeds):
        for name, ink in INK.items():
            path = to / f"concepts-{name.replace(' ', '-')}-{seed}"
            run = finished(with_seed(demo, seed, ink), path, "score" if ink else None)
            print(f"\n## Seed {seed}, {name}\n\n{planted(run)}\n")
            for stage, figures in run.figures().items():
                for one in figures:
                    if not ink or stage in ("detect", "score"):
                        print(f"- {stage}: {one.name}: {one.value:.4g} ({one.images}) {one.note}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except AliterError as error:
        raise SystemExit(str(error)) from error
