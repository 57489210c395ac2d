"""A random forest on what describes each voxel."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int
from pydantic import PositiveInt

from aliter.core.spec import Spec

Answer = Callable[[Float32[np.ndarray, "N D"]], Float32[np.ndarray, " N"]]
"""Gives the probability of class 1 for each row."""


class Forest(Spec):
    """Grow trees on rows whose class is known, and let them vote.

    References
    ----------
    Breiman 2001, Random forests, Machine Learning 45.
    """

    kind: Literal["forest"] = "forest"
    trees: PositiveInt = 100
    seed: int = 0

    def __call__(self, x: Float32[np.ndarray, "N D"], y: Int[np.ndarray, " N"]) -> Answer:
        """Return the forest grown on rows ``x`` of the classes ``y``, 0 or 1."""
        from sklearn.ensemble import RandomForestClassifier

        grown = RandomForestClassifier(self.trees, random_state=self.seed, n_jobs=1).fit(x, y)
        column = int(np.flatnonzero(grown.classes_ == 1)[0])

        def answer(rows: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, " N"]:
            found: np.ndarray = grown.predict_proba(rows)[:, column].astype(np.float32)
            return found

        return answer
