"""Images come into a run as they are, and what depends on them knows when they change."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.end_to_end.conftest import MICRO

import aliter
from aliter.core.errors import DataError, RequestError
from aliter.core.spec import Spec
from aliter.data.convert import convert
from aliter.data.run import Run
from aliter.workflows.counterfactual import Config
from aliter.workflows.counterfactual.estimate import survey
from aliter.workflows.stage import fingerprint

SIMULATED = "{simulate: fictus, count: 30, size: 32, factors: [aggregates], seed: 0}"


def config(folder: Path, images: str) -> Spec:
    path = folder / "config.yaml"
    path.write_text(MICRO.replace(SIMULATED, images).replace(", pairs: [nuisance]", ""), encoding="utf-8")
    return Config.read(path)


def gathered(chosen: Spec, folder: Path) -> Run:
    return aliter.run(chosen, to=folder / "run", stage="gather")


def sheet(folder: Path, groups: bool = True) -> Path:
    """Write forty images of ten donors, and a CSV that lists them."""
    (folder / "data").mkdir()
    lines = ["path,label" + ",group" * groups]
    for row in range(40):
        np.save(folder / "data" / f"{row}.npy", np.full((4, 4), row, np.uint8))
        lines.append(f"{row}.npy,{'ab'[row % 2]}" + f",donor {row // 4}" * groups)
    (folder / "data" / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "data" / "list.csv"


def test_a_run_proves_that_no_group_is_in_two_splits(tmp_path: Path) -> None:
    run = gathered(config(tmp_path, str(sheet(tmp_path))), tmp_path)
    assert list(run.finished) == ["gather"]
    (figure,) = run.figures()["gather"]
    assert (figure.name, figure.value, figure.images) == ("groups in more than one split", 0, 40)
    assert figure.note == "of 10 groups"


def test_a_run_without_groups_claims_nothing(tmp_path: Path) -> None:
    assert "gather" not in gathered(config(tmp_path, str(sheet(tmp_path, groups=False))), tmp_path).figures()


def test_a_store_whose_groups_are_torn_is_refused(tmp_path: Path) -> None:
    import zarr

    store = convert(sheet(tmp_path), tmp_path / "store")
    zarr.open_group(store, mode="a")["splits/0"][:2] = [0, 2]
    with pytest.raises(DataError, match="donor 0 in more; give all images"):
        gathered(config(tmp_path, str(store)), tmp_path)


def test_stacks_are_refused_with_the_remedy(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "in" / label).mkdir(parents=True)
        for row in range(12):
            stack = np.zeros((3, 8, 8), np.uint8)
            tifffile.imwrite(
                tmp_path / "in" / label / f"{row}.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"}
            )
    chosen = config(tmp_path, str(tmp_path / "in"))
    for ask in (lambda: gathered(chosen, tmp_path), lambda: survey(chosen)):  # type: ignore[arg-type]
        with pytest.raises(RequestError, match="found stacks of 3 x 8 x 8; take planes with 'aliter convert"):
            ask()


def test_the_images_that_a_sheet_lists_are_part_of_it(tmp_path: Path) -> None:
    listed = sheet(tmp_path)
    before = fingerprint(listed)
    (tmp_path / "data" / "unlisted.npy").touch()
    assert fingerprint(listed) == before
    np.save(tmp_path / "data" / "7.npy", np.zeros((4, 4), np.uint8))
    assert fingerprint(listed) != before
