"""How far clicks carry, over sets of clicks and seeds of pretraining: foreground IoU, and paired differences.

    .venv/bin/python benchmarks/truth/embeddings.py --seeds 3 --to runs/truth

Each seed changes the fields, the clicks and the networks. Finished runs are not done again.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from finished import finished
from scipy.stats import t as student

from aliter.core.errors import AliterError
from aliter.data.splits import SPLITS
from aliter.workflows.embeddings import Config
from aliter.workflows.embeddings.gather import fields_of
from aliter.workflows.embeddings.segment import cases_of
from aliter.workflows.embeddings.validate import METRICS, tested

Scores = dict[tuple[str, int], list[float]]
"""Of each learner and number of clicks: a value for each set of clicks and seed, in the same order for all."""


def with_seed(config: Config, seed: int) -> Config:
    """Return ``config`` with all its chance from ``seed``."""
    values = config.model_dump(mode="json")
    values["images"]["seed"] = values["points"]["seed"] = values["contrast"]["fit"]["seed"] = seed
    for learner in values["segment"]["learners"]:
        learner.get("fit", learner)["seed"] = seed
    return Config.model_validate(values)


def scores_of(config: Config, path: Path, metric: str) -> Scores:
    """Return what the run at ``path``, made if need be, reached on the fields for testing."""
    run = finished(config, path)
    parts = fields_of(run).splits[run.load("segmented/field")]
    assert (parts == SPLITS.index("test")).any()
    found: Scores = {}
    for case in cases_of(config.segment, config.points.repeats):
        value = float(tested(run, case, parts)[METRICS.index(metric)])
        found.setdefault((case.learner.name, case.clicks), []).append(value)
    return found


def means(scores: Scores) -> str:
    """Return Markdown: mean and standard deviation of each learner, over seeds and sets of clicks."""
    counts = sorted({count for _, count in scores if count})
    lines = [f"| learner | {' | '.join(map(str, counts))} |", f"|---|{'--:|' * len(counts)}"]
    for name in dict.fromkeys(name for name, _ in scores):
        cells = []
        for count in counts:
            values = np.array(scores.get((name, count), scores.get((name, 0), [])))
            spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.3f}{spread}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def differences(scores: Scores, first: str) -> str:
    """Return Markdown: by how much ``first`` is better than each other, paired, with 95 % intervals (Student)."""
    counts = sorted({count for name, count in scores if name == first})
    lines = [f"| {first}, less | {' | '.join(map(str, counts))} |", f"|---|{'--:|' * len(counts)}"]
    for name in dict.fromkeys(name for name, count in scores if name != first and count):
        cells = []
        for count in counts:
            difference = np.array(scores[first, count]) - np.array(scores[name, count])
            half = student.ppf(0.975, len(difference) - 1) * difference.std(ddof=1) / np.sqrt(len(difference))
            cells.append(
                f"{difference.mean():+.3f} ({difference.mean() - half:+.3f} to {difference.mean() + half:+.3f})"
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    config: Annotated[Path, typer.Option(help="What is run.")] = Path("configs/embeddings/compare.yaml"),
    seeds: Annotated[int, typer.Option(help="Seeds of fields, clicks and networks.")] = 1,
    repeats: Annotated[int | None, typer.Option(help="Sets of clicks a seed; as the config says if not named.")] = None,
    among: Annotated[str | None, typer.Option(help="What is among the nuclei: texture or debris.")] = None,
    metric: Annotated[str, typer.Option(help=f"One of {', '.join(METRICS)}.")] = "iou",
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    """Run ``config`` with several seeds and print means and paired differences."""
    chosen = Config.read(config)
    assert isinstance(chosen, Config)
    values = chosen.model_dump(mode="json")
    values["points"]["repeats"] = repeats or values["points"]["repeats"]
    values["images"]["among"] = among or values["images"]["among"]
    chosen = Config.model_validate(values)
    scores: Scores = {}
    for seed in range(seeds):
        name = f"embeddings-{config.stem}-{among or 'plain'}-{seed}"
        for key, found in scores_of(with_seed(chosen, seed), to / name, metric).items():
            scores.setdefault(key, []).extend(found)
    first = chosen.segment.learners[0].name
    print(f"\n{metric}, {seeds} seeds\n\n{means(scores)}\n\n{differences(scores, first)}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except AliterError as error:
        raise SystemExit(f"{error}") from error
