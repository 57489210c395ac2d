"""Regression and GAN on the same fields, next to the oracle: pixels, objects, doubt, over seeds.

    .venv/bin/python benchmarks/truth/staining.py --seeds 3 --to runs/truth

Each seed changes the fields, the networks and the draws. Finished runs are not done again.
"""

from pathlib import Path
from typing import Annotated

import typer
from finished import command, finished, spread

from aliter.workflows.staining import Config

PIXELS = ("PCC", "PSNR", "SSIM", "sharpness", "AP50", "PQ", "invented", "missed", "cell light")
METHODS = ("regression", "gan", "oracle", "real stain")
TRADE = ("PCC", "PSNR", "SSIM", "sharpness", "AP50", "PQ")
DOUBT = (
    "coverage of 95 %, raw",
    "coverage of 95 %, scaled",
    "coverage of 95 %, conformal",
    "coverage of 95 %, conformal, in cells",
    "sigma scaling",
    "CRPS, raw",
    "CRPS, scaled",
    "deviation over the known one, raw",
    "deviation over the known one, scaled",
    "correlation of deviation with the known one",
    "share of objects invented",
    "AUROC of absence from draws for invented objects",
    "AUROC of variation of light for invented objects",
    "objects in a field without cells",
    "valid up to, blur_px",
    "valid up to, defocus_um",
    "AP50 with polarity inverted",
)


def with_seed(config: Config, seed: int) -> Config:
    """Return ``config`` with all its chance from ``seed``."""
    values = config.model_dump(mode="json")
    values["images"]["seed"] = values["predict"]["seed"] = seed
    for stage in ("regress", "translate"):
        values[stage]["fit"]["seed"] = seed
    return Config.model_validate(values)


def table(rows: list[str], columns: tuple[str, ...], found: list[dict[str, float]]) -> str:
    """Return Markdown: each row's figure for each column."""
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"]
    for row in rows:
        cells = [spread([one[f"{row}, {name}"] for one in found if f"{row}, {name}" in one]) for name in columns]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    config: Annotated[Path, typer.Option(help="What is run.")] = Path("configs/staining/demo.yaml"),
    seeds: Annotated[int, typer.Option(help="Seeds of fields and networks.")] = 1,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    """Run ``config`` with several seeds and print means, lowest and highest."""
    chosen = Config.read(config)
    found = []
    for seed in range(seeds):
        run = finished(with_seed(chosen, seed), to / f"staining-{config.stem}-{seed}")
        found.append({name: one.value for name, one in run.figures_by_name().items()})
    print(f"\n{seeds} seeds\n\n{table(list(PIXELS), METHODS, found)}\n")
    print(f"{table(list(TRADE), ('gan less regression',), found)}\n")
    print(f"{table(list(DOUBT), METHODS[:2], found)}\n")
    print(f"coverage of 95 %, oracle: {spread([one['coverage of 95 %, oracle'] for one in found])}")


if __name__ == "__main__":
    command(main)
