"""Whether images that one classifier cannot decide are undecided to others, and what asking several at once changes.

    scripts/bench truth boundary_asked --pairs 7v1 --seeds 3 --to runs/truth

Step 2 confuses one classifier, or those of all seeds at once. Others, of twice the width, take no part in it and are
asked about what it draws.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from boundary import of_pair
from finished import command, finished, spread

from aliter.data.run import Run
from aliter.ops.ambiguity import confusion_distance
from aliter.workflows.boundary import Config
from aliter.workflows.boundary.classify import in_band, names_of
from aliter.workflows.boundary.select import drawn_probability

ASKED = {"one": "cnn-{first}", "all": "cnn-all"}
"""Which classifiers step 2 confuses."""
COLUMNS = ("in band, asked", "in band, others", "distance from undecided, others", "Frechet distance")


def with_others(config: Config, width: int, name: str) -> Config:
    """Return ``config`` with a second net, of twice the ``width``, and step 2 against the classifiers ``name``."""
    values = config.model_dump(mode="json")
    values["classify"]["nets"]["other"] = {"kind": "pool_cnn", "width": 2 * width}
    values["confuse"]["classifiers"] = [name.format(first=values["classify"]["seeds"][0])]
    return Config.model_validate(values)


def row(config: Config, run: Run, step: str) -> tuple[float, ...]:
    """Return what is said of the images of a generator, in the order of ``COLUMNS``."""
    others = [place for place, name in enumerate(names_of(config.classify)) if name.startswith("other")]
    p = run.load(f"{step}/probability")[:, others]
    asked = in_band(drawn_probability(config, run, step)).mean()
    realism = run.figures_by_name("select")[f"Frechet distance, {step}"].value
    return float(asked), float(in_band(p).mean()), float(confusion_distance(p).mean()), realism


def main(
    config: Annotated[Path, typer.Option(help="What is run.")] = Path("configs/boundary/demo.yaml"),
    pairs: Annotated[str, typer.Option(help="Pairs of digits.")] = "7v1",
    width: Annotated[int, typer.Option(help="Width of the classifiers that are confused.")] = 4,
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 3,
    to: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/truth"),
) -> None:
    """Run ``config`` up to its choice of a generator, against one classifier and all, and print what others say."""
    chosen = Config.read(config)
    print(f"\n| pair | drawn by | {' | '.join(COLUMNS)} |\n|---|---|{'--:|' * len(COLUMNS)}")
    for pair in pairs.split(","):
        rows: dict[str, list[tuple[float, ...]]] = {}
        for seed in range(seeds):
            first = to / f"boundary-asked-{pair}-one-{seed}"
            for asked, name in ASKED.items():
                path = to / f"boundary-asked-{pair}-{asked}-{seed}"
                one = with_others(of_pair(chosen, pair, width, seed), width, name)
                run = finished(one, path, "select", None if path == first else first)
                rows.setdefault(f"step 1, {asked} asked", []).append(row(one, run, "step1"))
                rows.setdefault(f"step 2, {asked} asked", []).append(row(one, run, "step2"))
        for name, found in rows.items():
            cells = [spread(list(values)) for values in np.array(found).T]
            print(f"| {pair} | {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    command(main)
