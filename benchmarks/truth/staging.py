"""A generator at half resolution and an enhancer around it, against the generator alone at full resolution.

    .venv/bin/python benchmarks/truth/staging.py --seeds 1 --to runs/truth

Both take as many steps in all, on the same crops of the same fields of 512 x 512 pixels. A step at half resolution
costs a quarter, so the seconds of both are printed too. Finished runs are not done again.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from finished import command, finished, spread
from staining import with_seed

from aliter.workflows.staining import Config

ROWS = ("PCC", "PSNR", "SSIM", "sharpness", "AP50", "PQ", "invented", "missed")


def alone(config: Config) -> Config:
    """Return ``config`` without its enhancer, with as many steps in all; the rate falls over the same last ones."""
    values = config.model_dump(mode="json")
    enhance = values["translate"].pop("enhance")
    before = values["translate"]["fit"]["steps"] + enhance["alone"]["steps"]
    joint = enhance["joint"]
    fall = joint["fall"] and {**joint["fall"], "after": before + joint["fall"]["after"]}
    values["translate"]["fit"] |= {"steps": before + joint["steps"], "fall": fall}
    return Config.model_validate(values)


def seconds(path: Path) -> float:
    """Return how long the translation took."""
    rows = map(json.loads, (path / "timings.jsonl").read_text(encoding="utf-8").splitlines())
    return sum(float(row["seconds"]) for row in rows if row["stage"] == "translate" and "name" not in row)


def main(
    config: Annotated[Path, typer.Option(help="What is run; it has an enhancer.")] = Path(
        "configs/staining/staging.yaml"
    ),
    seeds: Annotated[int, typer.Option(help="Seeds of fields and networks.")] = 1,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    """Run both with several seeds and print means, lowest and highest."""
    chosen = Config.read(config)
    sides = {"enhanced": chosen, "alone": alone(chosen)}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for seed in range(seeds):
        for name, one in sides.items():
            path = to / f"staging-{config.stem}-{name}-{seed}"
            figures = finished(with_seed(one, seed), path, until="evaluate").figures_by_name()
            values = {row: figures[f"{row}, gan"].value for row in ROWS}
            found[name].append(values | {"seconds of translate": seconds(path)})
    print(f"\n{seeds} seeds\n\n| | {' | '.join(sides)} |\n|---|{'--:|' * len(sides)}")
    for row in (*ROWS, "seconds of translate"):
        print(f"| {row} | {' | '.join(spread([one[row] for one in found[name]]) for name in sides)} |")


if __name__ == "__main__":
    command(main)
