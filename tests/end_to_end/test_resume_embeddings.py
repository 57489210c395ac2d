"""A run of the embeddings room that is killed, anywhere and again, ends as one that never was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from tests.end_to_end.conftest import contents, rows

MICRO = """
workflow: embeddings
images: {simulate: nuclei, count: 4, size: 64, seed: 0}
points: {count: 8}
contrast:
  net: {width: 4, factors: [2], features: 4}
  projection: 4
  views: {size: [44, 44], density: 0.05}
  fit: {steps: 8, size: 1, rate: 2.0e-3, judge_every: 4, save_every: 2, log_every: 1, threads: 1}
embed: {features: [embedding]}
segment:
  clicks: [4, 8]
  learners:
    - {kind: head, fit: {steps: 6, size: 8, rate: 1.0e-2, log_every: 2, save_every: 2, threads: 1}}
    - {kind: affinities, fit: {steps: 6, size: 64, rate: 1.0e-2, log_every: 2, save_every: 2, threads: 1}}
    - {kind: net, fit: {steps: 4, size: 1, rate: 1.0e-3, log_every: 2, save_every: 2, threads: 1}}
validation: {thresholds: [0.3, 0.6]}
report: {fields: 1}
"""


def test_killed_between_it_gives_the_same_bytes(
    finish: Callable[..., tuple[int, str, str]], killed: Callable[..., Path], tmp_path: Path
) -> None:
    micro = tmp_path / "micro.yaml"
    micro.write_text(MICRO, encoding="utf-8")
    code, _, errors = finish("run", micro, "--to", "whole")
    assert code == 0, errors
    whole = tmp_path / "whole"
    last = len(rows(whole))
    kills = sorted(np.random.default_rng().choice(np.arange(1, last), 2, replace=False).tolist())
    print("killed at rows", kills)
    runs = (whole, killed(micro, kills))
    # The page shows what a clock said.
    found = [{name: one for name, one in contents(run).items() if not name.startswith("report/")} for run in runs]
    assert found[0] == found[1]
    assert len(found[0]) > 20
    assert (whole / "report" / "index.html").is_file()
