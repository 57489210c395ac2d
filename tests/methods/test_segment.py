"""Objects from what was predicted: true affinities give the true objects back, background and all."""

import numpy as np
import pytest

from aliter.data.simulate import Nuclei
from aliter.methods.segment import AffinityWatershed, Watershed
from aliter.ops.labels import affinities, average_precision, variation_of_information
from aliter.ops.regions import agglomerate


def touching(depth: int | None = None) -> np.ndarray:
    """Return two bars that touch and one that stands alone, 12 wide each."""
    flat = np.zeros((40, 60), np.int64)
    flat[8:32, 6:18], flat[8:32, 18:30], flat[8:32, 42:54] = 1, 2, 3
    return flat if depth is None else np.repeat(flat[None], depth, 0)


@pytest.mark.parametrize("depth", [None, 6], ids=["2-D", "3-D"])
def test_true_affinities_of_bars_make_the_bars(depth: int | None) -> None:
    truth = touching(depth)
    found = AffinityWatershed()(affinities(truth))
    merged = agglomerate(found.labels, found.affinities, [0.5])[0]
    assert average_precision(truth, merged, [0.8])[0] == 1
    assert len(np.unique(merged)) == 4


def test_true_affinities_of_nuclei_make_nearly_the_nuclei() -> None:
    truth = Nuclei(count=4, size=192).draw(0).objects.astype(np.int64)
    found = AffinityWatershed()(affinities(truth))
    merged = agglomerate(found.labels, found.affinities, [0.6])[0]
    assert sum(variation_of_information(truth, merged)) < 0.3
    inside, wanted = merged > 0, truth > 0
    assert (inside & wanted).sum() / (inside | wanted).sum() > 0.9


def test_without_seeds_of_its_own_background_is_taken_by_objects() -> None:
    given = affinities(touching())
    assert (AffinityWatershed(background_px=None)(given).labels > 0).all()
    assert (AffinityWatershed()(given).labels[:, 32:40] == 0).all()


def test_nothing_and_everything_have_an_answer() -> None:
    nothing = np.zeros((2, 20, 20), np.float32)
    assert (AffinityWatershed()(nothing).labels == 0).all()
    assert (AffinityWatershed(background_px=None)(nothing).labels == 0).all()
    assert (AffinityWatershed()(1 - nothing).labels == 1).all()
    assert (Watershed()(np.ones((20, 20), np.float32)).labels == 1).all()
    assert (Watershed()(np.zeros((20, 20), np.float32)).labels == 0).all()
