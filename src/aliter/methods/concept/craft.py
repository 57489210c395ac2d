"""Concepts as parts that activations are sums of."""

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import PositiveInt

from aliter.core.errors import DataError
from aliter.core.spec import Spec
from aliter.methods.concept.group import Concept


class CRAFT(Spec):
    """Parts, none of them negative, of which activations are sums with weights, none of them negative.

    References
    ----------
    Fel et al. 2023, CRAFT: concept recursive activation factorization for explainability, arXiv:2211.10154, section 3.
    """

    kind: Literal["craft"] = "craft"
    count: PositiveInt = 10
    """Parts."""
    most: PositiveInt = 40
    """Segments that stand for a part: those in which it weighs most."""
    iterations: PositiveInt = 400

    def __call__(self, rows: Float[np.ndarray, "N D"], image: Int[np.ndarray, " N"], seed: int = 0) -> list[Concept]:
        """Return a concept for each part of the activations ``rows``, the heaviest first."""
        weights, parts = self.factors(rows, seed)
        largest = weights.argmax(axis=1)
        order = np.argsort(-weights.sum(axis=0), kind="stable")
        found = []
        for part in order.tolist():
            members = np.argsort(-weights[:, part], kind="stable")[: self.most]
            length = float(np.linalg.norm(parts[part]))
            if length > 0:
                found.append(Concept(members, np.flatnonzero(largest == part), parts[part] / length))
        return found

    def factors(
        self, rows: Float[np.ndarray, "N D"], seed: int = 0
    ) -> tuple[Float[np.ndarray, "N K"], Float[np.ndarray, "K D"]]:
        """Return weights and parts whose product is nearest to ``rows``.

        Raises
        ------
        DataError
            If an activation is negative.
        """
        from sklearn.decomposition import NMF

        if float(np.min(rows, initial=0)) < 0:
            raise DataError("expected activations of 0 or more, found negative ones; name a layer that ends in ReLU")
        count = min(self.count, *rows.shape)
        model = NMF(count, init="nndsvda", random_state=seed, max_iter=self.iterations, tol=1e-10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            weights = model.fit_transform(np.asarray(rows, np.float64))
        return np.asarray(weights), np.asarray(model.components_)


def sobol_total(
    answer: Callable[[Float[np.ndarray, "N K"]], Float[np.ndarray, " N"]], count: int, samples: int = 32
) -> Float[np.ndarray, " K"]:
    """Return how much of the variance of ``answer`` each of ``count`` weights has a part in, alone or with others.

    ``answer`` takes rows of factors in [0, 1] by which the weights are multiplied. With few ``samples`` it is biased.

    References
    ----------
    Jansen 1999, Analysis of variance designs for model output, equation for the total effect.
    """
    from scipy.stats import qmc

    points = qmc.Sobol(2 * count, scramble=False).random_base2(int(np.ceil(np.log2(samples))))
    a, b = points[:, :count], points[:, count:]
    base = answer(a)
    spread = float(np.var(np.concatenate([base, answer(b)])))
    total = np.zeros(count)
    for column in range(count):
        mixed = a.copy()
        mixed[:, column] = b[:, column]
        total[column] = np.mean((base - answer(mixed)) ** 2) / 2
    return total / spread if spread > 0 else total
