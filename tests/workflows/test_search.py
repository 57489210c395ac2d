"""A search for a grouping: kept, and the same whether it was stopped or not."""

from pathlib import Path

import numpy as np

from aliter.methods.reduce.pca import PCA
from aliter.ops.clusters import agreement
from aliter.workflows.boundary.search import Search, searched


def test_a_stopped_search_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(8 * place, 1, (15, 4)) * [1, -1, 1, place] for place in range(3)])
    settings = {"most": 6, "dimensions": 4}
    whole = searched(Search(trials=6, **settings), rows, PCA(), 0, tmp_path / "whole" / "study.db")
    searched(Search(trials=3, **settings), rows, PCA(), 0, tmp_path / "parts" / "study.db")
    parts = searched(Search(trials=6, **settings), rows, PCA(), 0, tmp_path / "parts" / "study.db")
    assert whole == parts
    reduce, method = whole
    assert agreement(method(reduce(rows, 0), 0), np.repeat(np.arange(3), 15)) > 0.5
