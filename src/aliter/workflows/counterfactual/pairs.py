"""The pairs of query and counterfactual that a run holds."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from aliter.data import layout
from aliter.data.images import to_signed
from aliter.data.run import Run


@dataclass(frozen=True)
class Pairs:
    """All pairs of one kind, source and target."""

    kind: str
    source: int
    target: int
    count: int
    """Queries."""
    batch: int
    """Counterfactuals of each."""

    def name(self, what: str) -> str:
        """Return the name of the array that holds ``what`` of these pairs."""
        return f"{self.kind}/{what}/{self.source}_{self.target}"

    def queries(self, run: Run, rows: slice) -> Float32[np.ndarray, "B C H W"]:
        """Return the queries as networks see them."""
        array = run.array(f"images/{self.source}")
        low, high = layout.attributes(array)["range"]
        return to_signed(np.asarray(array[rows]), (low, high))

    def generated(self, run: Run, rows: slice) -> Float32[np.ndarray, "B keep C H W"]:
        """Return the counterfactuals as they were given."""
        return np.asarray(run.array(self.name("generated"))[rows])


def pairs_of(run: Run) -> list[Pairs]:
    """Return what a run holds, by kind, source and target."""
    found = []
    for name in run.names():
        kind, _, rest = name.partition("/generated/")
        if rest:
            source, target = (int(part) for part in rest.split("_"))
            count, batch = run.array(name).shape[:2]
            found.append(Pairs(kind, source, target, count, batch))
    return sorted(found, key=lambda one: (one.kind, one.source, one.target))


def methods_of(run: Run, pairs: Pairs) -> list[str]:
    """Return the names of the attributions that a run holds of ``pairs``."""
    prefix, suffix = f"{pairs.kind}/attributions/", f"/{pairs.source}_{pairs.target}"
    names = [name for name in run.names() if name.startswith(prefix) and name.endswith(suffix)]
    return [name[len(prefix) : -len(suffix)] for name in names]
