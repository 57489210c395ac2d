"""Search for a grouping: a study that is kept, so that a stopped one goes on as if it had not been."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import PositiveInt

from aliter.core.rng import torch_seed
from aliter.core.spec import Spec
from aliter.methods.cluster import Cluster
from aliter.methods.cluster.gaussian_mixture import GaussianMixture
from aliter.methods.cluster.hdbscan import HDBSCAN
from aliter.methods.cluster.k_means import KMeans
from aliter.methods.reduce import Reduce
from aliter.ops.clusters import validity

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class Search(Spec):
    """How a grouping is searched for, by tree-structured Parzen estimators, one trial after the other.

    References
    ----------
    Bergstra et al. 2011, Algorithms for hyper-parameter optimization.
    Akiba et al. 2019, Optuna: a next-generation hyperparameter optimization framework, arXiv:1907.10902.
    """

    trials: PositiveInt = 20
    kinds: tuple[Literal["gaussian_mixture", "k_means", "hdbscan"], ...] = ("gaussian_mixture", "hdbscan")
    most: PositiveInt = 15
    """Groups at most, or rows of the smallest group of HDBSCAN."""
    dimensions: PositiveInt = 30
    """Dimensions at most, after reduction."""


def searched(choice: Search, rows: np.ndarray, reduce: Reduce, seed: int, study: Path) -> tuple[Reduce, Cluster]:
    """Return the best reduction and grouping of ``rows``: by silhouette among ``rows`` as they are, times coverage.

    Trials are kept in the SQLite file ``study``; each is drawn from its number and those before it, so that a search
    that was stopped gives what one that never stopped gives.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    study.parent.mkdir(parents=True, exist_ok=True)
    trials = optuna.create_study(
        storage=f"sqlite:///{study}", study_name="grouping", direction="maximize", load_if_exists=True
    )

    def worth(trial: optuna.Trial) -> float:
        reduced, method = _suggested(choice, reduce, trial)
        found = validity(rows, method(reduced(rows, seed), seed))
        return -1.0 if np.isnan(found.silhouette) else found.silhouette * found.coverage

    done = (optuna.trial.TrialState.COMPLETE,)
    while len(kept := trials.get_trials(deepcopy=False, states=done)) < choice.trials:
        trials.sampler = optuna.samplers.TPESampler(seed=torch_seed(seed, "trial", len(kept)) % 2**32)
        trials.optimize(worth, n_trials=1)
    best = max(kept, key=lambda trial: trial.value or -1.0)
    return _suggested(choice, reduce, optuna.trial.FixedTrial(best.params))


def _suggested(choice: Search, reduce: Reduce, trial: "BaseTrial") -> tuple[Reduce, Cluster]:
    reduced = reduce.model_copy(update={"dimensions": trial.suggest_int("dimensions", 2, choice.dimensions)})
    kind = trial.suggest_categorical("kind", choice.kinds)
    if kind == "hdbscan":
        return reduced, HDBSCAN(smallest=trial.suggest_int("smallest", 3, max(3, choice.most)))
    count = trial.suggest_int("count", 2, max(2, choice.most))
    return reduced, GaussianMixture(count=count) if kind == "gaussian_mixture" else KMeans(count=count)
