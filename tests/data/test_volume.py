"""The published recipe: what is planted is where it says, whoever draws it."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from aliter.core.errors import RequestError
from aliter.data.images import Images
from aliter.data.simulate import SIMULATIONS, Fictus, FictusVolume, Simulation, volume
from aliter.data.simulate.spheroid import Lattice, depth, depth_table, smoothed_sd
from aliter.data.simulate.store import write_simulation

CELLS = FictusVolume(size=32)
AGGREGATES, MEMBRANE, NUCLEUS = 0, 1, 2


def test_a_config_names_either_simulator() -> None:
    known: TypeAdapter[Fictus | FictusVolume] = TypeAdapter(Simulation)
    assert known.validate_python({"simulate": "fictus_volume", "count": 3}) == FictusVolume(count=3)
    assert known.validate_python({"simulate": "fictus", "size": 32}) == Fictus(size=32)
    with pytest.raises(ValidationError, match="factors"):
        known.validate_python({"simulate": "fictus_volume", "factors": ["elongation"]})
    assert SIMULATIONS["fictus_volume"] is FictusVolume


def test_the_numbers_are_those_of_this_version() -> None:
    # Whoever changes these changes every data set: raise FictusVolume.numbers too.
    assert FictusVolume.numbers == 1
    records = [FictusVolume().record(label, 0) for label in range(4)]
    assert [one["elongation"] for one in records] == [1.5, 1.5, 2.5, 2.5]
    assert [one["clusters"] for one in records] == [49, 200, 52, 201]
    assert records[2]["tilt_rad"] == pytest.approx(1.4381588604863333)
    assert FictusVolume().draw(1, 0).shape == (3, 128, 128)


def test_the_image_is_the_middle_plane_of_the_volume() -> None:
    cells = FictusVolume(size=16)
    whole = cells.volume(3, 1)
    assert whole.shape == (3, 16, 16, 16)
    assert np.array_equal(whole[:, 8], cells.draw(3, 1))


def test_labels_are_the_cell_from_outside_to_inside() -> None:
    labels, middle = CELLS.labels(2, 1), 16
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    clean = volume._clean(CELLS, 2, 1, 2)
    shares = [(labels == one).sum() * 64 for one in range(4)]
    with_membrane = 4 / 3 * np.pi * 28**2 * 65.5
    assert sum(shares[1:]) == pytest.approx(with_membrane, rel=0.25)
    nucleus = labels[middle] == 3
    assert clean[NUCLEUS][nucleus].mean() > 5 * clean[NUCLEUS][labels[middle] == 0].mean()
    assert clean[MEMBRANE][labels[middle] == 2].mean() > 3 * clean[MEMBRANE][labels[middle] == 0].mean()
    assert clean[AGGREGATES][labels[middle] == 0].sum() < 0.05 * clean[AGGREGATES].sum()


@pytest.mark.parametrize("label", [0, 3])
def test_the_number_of_clusters_changes_puncta_alone(label: int) -> None:
    target = label ^ 1
    for index in range(3):
        before, after = CELLS.draw(label, index), CELLS.oracle(label, index, target, "plain")
        truth = CELLS.truth(label, index, target)
        assert np.array_equal(before[1:], after[1:])
        assert not truth[1:].any()
        assert truth[AGGREGATES].any()
        few, many = sorted((label, target))
        low, high = (volume._clean(CELLS, label, index, one)[AGGREGATES] for one in (few, many))
        assert (low <= high + 1e-12).all()
        assert high.sum() > 2 * low.sum()


def test_elongation_changes_the_outline_and_carries_the_rest_along() -> None:
    truth = CELLS.truth(0, 0, 2)
    assert truth[MEMBRANE].mean() > 0.05
    assert not np.array_equal(CELLS.draw(0, 0)[AGGREGATES], CELLS.oracle(0, 0, 2, "plain")[AGGREGATES])
    assert not CELLS.truth(0, 0, 0).any()


def test_nuisance_draws_the_noise_anew_and_nothing_else() -> None:
    plain, redrawn = (CELLS.oracle(1, 0, 0, kind).astype(float) for kind in ("plain", "nuisance"))
    difference = (plain - redrawn)[NUCLEUS] / 65535 * 2.2
    bright = volume._clean(CELLS, 1, 0, 0)[NUCLEUS] > 0.5
    assert difference[bright].std() == pytest.approx(0.1 * np.sqrt(2), rel=0.3)
    assert (plain != redrawn).mean() > 0.4


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    cells = FictusVolume(size=16, count=3)
    for workers in (1, 2):
        write_simulation(cells, tmp_path / str(workers), workers)
    one, two = ([path.read_bytes() for path in sorted(tmp_path.glob(f"{n}/**/*")) if path.is_file()] for n in (1, 2))
    assert one == two
    images = Images(tmp_path / "1")
    assert images.classes == ("short_few", "short_many", "long_few", "long_many")
    number = int(images.split("test", 2)[0])
    assert np.array_equal(images.take(np.array([number]))[0], cells.draw(2, number - 6))
    planted = images.root["plain/generated/2_1"][0]
    assert np.array_equal(planted, cells.oracle(2, number - 6, 1, "plain"))


@pytest.mark.parametrize(("label", "index", "target"), [(4, 0, 0), (0, 0, -1), (0, 400, 0)])
def test_a_cell_that_does_not_exist_is_refused(label: int, index: int, target: int) -> None:
    with pytest.raises(RequestError, match="expected"):
        CELLS.truth(label, index, target)


def test_depth_is_the_distance_to_the_nearest_point() -> None:
    angle = np.linspace(0, np.pi / 2, 100_001)
    outline = np.stack([62.5 * np.sin(angle), 25 * np.cos(angle)], axis=1)
    table, rng = depth_table(25.0, 2.5), np.random.default_rng(0)
    for i, j in [*rng.integers(0, 280, (30, 2)).tolist(), [0, 0], [60, 0], [0, 60]]:
        exact = np.hypot(*(outline - [i / 2, j / 2]).T).min()
        inside = (i / 5) ** 2 + (j / 2) ** 2 < 25**2
        assert table[i, j] == pytest.approx(exact if inside else -exact, abs=1e-3)
    axis = np.array([0.6, 0.0, 0.8])
    place = tuple(np.array([one]) for one in 10 * axis)
    assert depth(axis, 25.0, 2.5, place)[0, 0, 0] == pytest.approx(table[20, 0], abs=0.01)


def test_a_field_is_the_same_wherever_it_is_read_and_has_unit_variance() -> None:
    values = []
    for seed in range(300):
        field = Lattice.drawn(20.0, 4.0, np.random.default_rng(seed))
        values.append(field((np.array([0.0]), np.array([-19.0, 3.0]), np.array([5.0, 19.0]))).ravel())
    assert np.std(values, axis=0) == pytest.approx(np.ones(4), abs=0.15)
    whole = field((np.arange(-3.0, 3.0), np.array([-19.0, 3.0]), np.array([5.0, 19.0])))
    assert np.array_equal(whole[3].ravel(), values[-1])


def test_smoothing_leaves_the_published_deviation() -> None:
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(0, 5, (48, 48, 48))
    assert gaussian_filter(noise, 1.0, mode="wrap").std() == pytest.approx(smoothed_sd(5.0, 1.0), rel=0.03)
