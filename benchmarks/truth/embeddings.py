"""What clicks are worth, over sets of clicks and seeds: scores, seconds, and paired differences.

    .venv/bin/python benchmarks/truth/embeddings.py --config configs/embeddings/clicks.yaml --seeds 3 --to runs/truth

Each seed changes the fields, the clicks and the networks. With ``--only 1`` that seed alone is run, so that seeds can
be run one by one, and printed. Finished runs are not done again.

Two 95 % intervals stand beside each difference. The first takes every set of clicks of every seed as one observation:
it is too narrow, since the sets of a seed share fields and pretraining. The second takes the mean over the sets of each
seed as one observation (Student, seeds less 1 degrees of freedom): it says what another pretraining on other fields
would give, and with three seeds it is wide.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from finished import command, finished
from jaxtyping import Float64
from scipy.stats import t as student

from aliter.data import ledger
from aliter.data.run import Run
from aliter.data.splits import SPLITS
from aliter.workflows.embeddings import Config
from aliter.workflows.embeddings.contrast import PRETRAINING
from aliter.workflows.embeddings.gather import fields_of
from aliter.workflows.embeddings.segment import cases_of
from aliter.workflows.embeddings.validate import METRICS, tested

Values = Float64[np.ndarray, "seeds sets"]
Table = dict[tuple[str, int], Values]
"""Of each learner and number of clicks, 0 where it is told everything."""
SECONDS = "seconds"


def with_seed(config: Config, seed: int) -> Config:
    """Return ``config`` with all its chance from ``seed``."""
    values = config.model_dump(mode="json")
    values["images"]["seed"] = values["points"]["seed"] = values["contrast"]["fit"]["seed"] = seed
    for learner in values["segment"]["learners"]:
        learner.get("fit", learner)["seed"] = seed
    return Config.model_validate(values)


def measured(config: Config, run: Run) -> dict[str, Table]:
    """Return each metric on the fields for testing, and the processor time of learning, of one seed."""
    parts = fields_of(run).splits[run.load("segmented/field")]
    assert (parts == SPLITS.index("test")).any()
    clocked = {row["name"]: row["seconds"] for row in ledger.rows(run.path / "timings.jsonl") if "name" in row}
    found: dict[str, dict[tuple[str, int], list[float]]] = {name: {} for name in (*METRICS, SECONDS)}
    for case in cases_of(config.segment, config.points.repeats):
        values = (*map(float, tested(run, case, parts)), clocked.get(case.name, np.nan))
        for name, value in zip(found, values, strict=True):
            found[name].setdefault((case.learner.name, case.clicks), []).append(value)
    found[SECONDS][PRETRAINING, 0] = [clocked.get(PRETRAINING, np.nan)]
    return {name: {key: np.array([values]) for key, values in table.items()} for name, table in found.items()}


def together(seeds: list[dict[str, Table]], name: str) -> Table:
    """Return one metric of all seeds."""
    return {key: np.concatenate([seed[name][key] for seed in seeds]) for key in seeds[0][name]}


def means(table: Table, digits: int = 3) -> Iterator[str]:
    """Yield the lines of a table: mean and standard deviation over all sets of clicks of all seeds."""
    yield from _head("learner", _counts(table))
    for name in dict.fromkeys(name for name, _ in table):
        yield _row(name, [_spread(table.get((name, count)), digits) for count in _counts(table)])


def differences(table: Table, first: str) -> Iterator[str]:
    """Yield the lines of a table: by how much ``first`` is above each other learner, paired."""
    counts = [count for count in _counts(table) if (first, count) in table]
    yield from _head(f"{first}, less", counts)
    for name in dict.fromkeys(name for name, _ in table if name != first):
        others = [table.get((name, count), table.get((name, 0))) for count in counts]
        pairs = [(table[first, count], other) for count, other in zip(counts, others, strict=True)]
        yield _row(name, ["" if other is None else _paired(mine - other) for mine, other in pairs])


def interval(values: Float64[np.ndarray, " n"]) -> str:
    """Return the 95 % interval of the mean, by Student."""
    if len(values) < 2:
        return "-"
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean() - half:+.3f} to {values.mean() + half:+.3f}"


def _paired(difference: Values) -> str:
    return f"{difference.mean():+.3f} ({interval(difference.ravel())}; seeds {interval(difference.mean(1))})"


def _spread(values: Values | None, digits: int) -> str:
    if values is None:
        return ""
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if values.size > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"


def _counts(table: Table) -> list[int]:
    return sorted({count for _, count in table}, key=lambda count: count or np.inf)


def _head(name: str, counts: list[int]) -> Iterator[str]:
    yield f"| {name} | {' | '.join(str(count or 'all labels') for count in counts)} |"
    yield f"|---|{'--:|' * len(counts)}"


def _row(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def main(
    config: Annotated[Path, typer.Option(help="What is run.")] = Path("configs/embeddings/compare.yaml"),
    seeds: Annotated[int, typer.Option(help="Seeds of fields, clicks and networks.")] = 1,
    only: Annotated[int | None, typer.Option(help="The one seed that is run.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Sets of clicks a seed; as the config says if not named.")] = None,
    among: Annotated[str | None, typer.Option(help="What is among the nuclei: texture or debris.")] = None,
    metric: Annotated[list[str], typer.Option(help=f"Some of {', '.join(METRICS)}.")] = ["iou", "ap50"],  # noqa: B006
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    """Run ``config`` with several seeds and print means, paired differences and seconds."""
    chosen = Config.read(config)
    values = chosen.model_dump(mode="json")
    values["points"]["repeats"] = repeats or values["points"]["repeats"]
    among = values["images"]["among"] = among or values["images"]["among"]
    kind = "plain" if among == "nothing" else among
    chosen = Config.model_validate(values)
    found = []
    for seed in range(seeds) if only is None else [only]:
        one = with_seed(chosen, seed)
        name = f"embeddings-{config.stem}-{kind}-{seed}"
        found.append(measured(one, finished(one, to / name, until="validate")))
    first = chosen.segment.learners[0].name
    for name in metric:
        table = together(found, name)
        print(f"\n{name}, {len(found)} seeds\n", *means(table), "", *differences(table, first), sep="\n")
    print("\nProcessor seconds of learning\n", *means(together(found, SECONDS), digits=2), sep="\n")


if __name__ == "__main__":
    command(main)
