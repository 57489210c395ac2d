from concurrent.futures import ProcessPoolExecutor
from itertools import combinations, pairwise
from math import exp
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from aliter.core.errors import ConfigError, RequestError
from aliter.data.simulate import SIMULATIONS, Fictus, optics

AGGREGATES, MEMBRANE, NUCLEUS = 0, 1, 2
ALL = Fictus(size=32, factors=("aggregates", "elongation", "nucleus"))


def light(image: np.ndarray) -> np.ndarray:
    return image / 65535 * 1.25


# --- what is asked for


def test_classes_count_in_binary() -> None:
    assert Fictus(factors=("aggregates",)).classes == ("few", "many")
    assert Fictus().classes == ("few_round", "few_long", "many_round", "many_long")
    swapped = Fictus(factors=("nucleus", "elongation"))
    assert swapped.classes == (
        "small_round",
        "small_long",
        "large_round",
        "large_long",
    )
    assert len(ALL.classes) == 8
    assert ALL.classes[5] == "many_round_large"


def test_every_class_has_the_factors_of_its_name() -> None:
    for label, name in enumerate(ALL.classes):
        record = ALL.record(label, 3)
        assert record["aggregates"] == (45 if "many" in name else 12)
        assert record["elongation"] == (2.2 if "long" in name else 1.15)
        assert record["nucleus_px"] == (4.5 if "large" in name else 2.75)


def test_a_factor_that_is_not_named_varies_whatever_the_class() -> None:
    cells = Fictus(size=16, factors=("nucleus",))
    for label in (0, 1):
        records = [cells.record(label, index) for index in range(60)]
        for name, low, high in (("aggregates", 12, 45), ("elongation", 1.15, 2.2)):
            values = [record[name] for record in records]
            assert low <= min(values) < low + (high - low) / 5
            assert high - (high - low) / 5 < max(values) <= high


@pytest.mark.parametrize("factors", [(), ("nucleus", "nucleus"), ("colour",)])
def test_factors_are_known_and_distinct(factors: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="factors"):
        Fictus.parse({"factors": factors}, Path("config.yaml"))


def test_size_and_count_are_checked() -> None:
    with pytest.raises(ConfigError, match="size"):
        Fictus.parse({"size": 15}, Path("config.yaml"))
    with pytest.raises(ConfigError, match="count"):
        Fictus.parse({"count": 0}, Path("config.yaml"))


@pytest.mark.parametrize(("label", "index", "target"), [(4, 0, 0), (-1, 0, 0), (0, 0, 4), (0, 400, 0), (0, -1, 0)])
def test_a_cell_that_does_not_exist_is_refused(label: int, index: int, target: int) -> None:
    with pytest.raises(RequestError, match="expected"):
        Fictus(size=16).oracle(label, index, target, "plain")


def test_it_survives_yaml(tmp_path: Path) -> None:
    path = tmp_path / "fictus.yaml"
    ALL.write(path)
    assert Fictus.read(path) == ALL
    assert SIMULATIONS["fictus"] is Fictus


# --- the same bytes, always


def test_drawing_again_gives_the_same_bytes_in_any_process() -> None:
    labels, indices = (0, 1, 5, 7), (0, 3, 3, 11)
    here = [ALL.draw(label, index) for label, index in zip(labels, indices, strict=True)]
    again = [Fictus(**ALL.model_dump()).draw(label, index) for label, index in zip(labels, indices, strict=True)]
    with ProcessPoolExecutor(2, get_context("spawn")) as workers:
        there = list(workers.map(ALL.draw, labels, indices))
    for one, two, three in zip(here, again, there, strict=True):
        assert one.tobytes() == two.tobytes() == three.tobytes()


def test_the_numbers_are_those_of_this_version() -> None:
    # Whoever changes these changes every data set: raise Fictus.numbers too.
    assert Fictus.numbers == 1
    assert Fictus().record(1, 2) == pytest.approx(
        {
            "aggregates": 12,
            "elongation": 2.2,
            "nucleus_px": 7.061847133586946,
            "rotation_rad": 3.5420239047455,
            "y_px": 0.35172539235689904,
            "x_px": 1.3770139195504525,
            "debris": 0,
        }
    )
    assert Fictus().draw(1, 2).mean(axis=(1, 2)) == pytest.approx([6834.533, 9024.221, 9657.214], rel=1e-5)


def test_cells_of_two_classes_or_indices_or_seeds_are_different_cells() -> None:
    records = [ALL.record(0, 0), ALL.record(1, 0), ALL.record(0, 1), ALL.model_copy(update={"seed": 1}).record(0, 0)]
    assert len({record["rotation_rad"] for record in records}) == 4
    other = ALL.draw(1, 0)
    assert all((a != b).mean() > 0.9 for a, b in zip(ALL.oracle(0, 0, 1, "plain"), other, strict=True))


def test_a_larger_count_keeps_the_cells_there_are() -> None:
    few, more = Fictus(size=16, count=2), Fictus(size=16, count=9)
    assert np.array_equal(few.draw(2, 1), more.draw(2, 1))


# --- images


@pytest.mark.parametrize("size", [16, 37, 50])
def test_images_are_16_bit_at_any_size(size: int) -> None:
    cells = Fictus(size=size)
    image = cells.draw(3, 0)
    assert image.shape == (len(cells.channels), size, size)
    assert image.dtype == np.uint16
    assert cells.range == (0.0, 65535.0)
    assert cells.truth(0, 0, 3).dtype == bool
    assert cells.truth(0, 0, 3).shape == image.shape


def test_images_fill_the_range_and_hardly_saturate() -> None:
    images = np.stack([ALL.draw(label, index) for label in range(8) for index in range(4)])
    assert (images == 65535).mean() < 0.002
    assert (images == 0).mean() < 0.05
    assert (images.max(axis=(0, 2, 3)) > 40000).all()


def test_a_finer_image_shows_the_same_cell() -> None:
    coarse, fine = (Fictus(size=size)._clean(3, 0, 3) for size in (64, 128))
    mean = fine.reshape(3, 64, 2, 64, 2).mean(axis=(2, 4))
    assert np.abs(mean - coarse).mean() < 0.005
    assert np.abs(mean - coarse).max() < 0.1
    records = [Fictus(size=size).record(3, 0) for size in (64, 128)]
    assert records[1]["y_px"] == 2 * records[0]["y_px"]


def test_puncta_and_nucleus_are_inside_the_membrane() -> None:
    cells = Fictus(factors=("elongation", "nucleus"))
    for index in range(6):
        record, clean = cells.record(3, index), cells._clean(3, index, 3)
        y, x = optics.centred(64)
        y, x = y - record["y_px"], x - record["x_px"]
        c, s = np.cos(record["rotation_rad"]), np.sin(record["rotation_rad"])
        across, along = c * y - s * x, s * y + c * x
        outside = np.hypot(across / 11.8, along / 25.96) > 1.15
        for channel in (AGGREGATES, NUCLEUS):
            assert clean[channel][outside].sum() < 0.01 * clean[channel].sum()
        assert clean[MEMBRANE][outside].sum() < 0.25 * clean[MEMBRANE].sum()


def test_the_count_can_be_read_off_the_image() -> None:
    cells = Fictus(size=32, factors=("aggregates",))
    bright = [[(light(cells.draw(label, index)[0]) > 0.4).mean() for index in range(30)] for label in (0, 1)]
    assert max(bright[0]) < min(bright[1])


# --- the truth that is planted


TOGGLES = {"aggregates": (4, {AGGREGATES}), "elongation": (2, {AGGREGATES, MEMBRANE}), "nucleus": (1, {NUCLEUS})}


@pytest.mark.parametrize("label", [0, 7])
@pytest.mark.parametrize("factor", TOGGLES)
def test_toggling_a_factor_redraws_nothing_else(factor: str, label: int) -> None:
    bit, touched = TOGGLES[factor]
    target = label ^ bit
    for index in range(4):
        before, after = ALL.draw(label, index), ALL.oracle(label, index, target, "plain")
        clean_before, clean_after = ALL._clean(label, index, label), ALL._clean(label, index, target)
        truth = ALL.truth(label, index, target)
        for channel in range(3):
            same = channel not in touched
            assert np.array_equal(before[channel], after[channel]) == same
            assert np.array_equal(clean_before[channel], clean_after[channel]) == same
            assert truth[channel].any() != same


@pytest.mark.parametrize(("target", "least", "most"), [(4, 0.02, 0.08), (2, 0.06, 0.2), (1, 0.01, 0.06)])
def test_truth_has_a_plausible_size_at_any_resolution(target: int, least: float, most: float) -> None:
    for size in (32, 64):
        cells = Fictus(size=size, factors=ALL.factors)
        assert all(least < cells.truth(0, index, target).mean() < most for index in range(5))


def test_truth_is_where_plain_images_differ_and_is_the_same_both_ways() -> None:
    before, after = (light(image) for image in (ALL.draw(2, 1), ALL.oracle(2, 1, 7, "plain")))
    truth = ALL.truth(2, 1, 7)
    inside = (before > 0) & (after > 0) & (before < 1.25) & (after < 1.25)
    change = np.abs(after - before)
    assert (change[truth & inside] > 0.0499).all()
    assert (change[~truth] < 0.0501).all()


def test_the_own_class_changes_nothing() -> None:
    assert np.array_equal(ALL.oracle(5, 2, 5, "plain"), ALL.draw(5, 2))
    assert not ALL.truth(5, 2, 5).any()


def test_few_aggregates_are_some_of_the_many() -> None:
    for index in range(5):
        few, many = ALL._clean(0, index, 0)[AGGREGATES], ALL._clean(0, index, 4)[AGGREGATES]
        assert (few <= many + 1e-12).all()
        assert many.sum() > 2 * few.sum()


def test_a_longer_cell_carries_its_aggregates_along() -> None:
    """Centroids of the puncta agree in units of the axes, not in pixels."""
    y, x = optics.centred(64)
    cells, drift = Fictus(), []
    for index in range(8):
        record, where = cells.record(0, index), []
        c, s = np.cos(record["rotation_rad"]), np.sin(record["rotation_rad"])
        for target, ratio in ((0, 1.15), (1, 2.2)):
            puncta = cells._clean(0, index, target)[AGGREGATES]
            row, column = (np.average(axis + 0 * puncta, weights=puncta) for axis in (y, x))
            row, column = row - record["y_px"], column - record["x_px"]
            where.append(np.array([(c * row - s * column) * ratio**0.5, (s * row + c * column) / ratio**0.5]))
        drift.append(np.abs(np.subtract(*where)).max())
    assert max(drift) < 0.6


# --- what no class depends on


def test_nuisance_redraws_all_but_the_cell() -> None:
    agree = []
    for index in range(40):
        own, redrawn = (ALL._nuisance(0, index, take, 0) for take in ("own", "for 4"))
        image = light(ALL.oracle(0, index, 4, "nuisance"))
        expected = np.clip(ALL._clean(0, index, 4) + redrawn, 0, 1.25)
        assert np.abs(image - expected).max() < 1.25 / 65535
        agree.append((own[NUCLEUS].max() > 0.6) == (redrawn[NUCLEUS].max() > 0.6))
    assert 8 < sum(agree) < 32


def test_each_target_redraws_its_own_nuisance() -> None:
    images = [ALL.oracle(0, 0, target, "nuisance") for target in (0, 1, 2)]
    images.append(ALL.draw(0, 0))
    # Aggregates and membrane of targets 0 and 1 are the same: what differs is redrawn.
    for one, two in pairwise(images):
        assert ((one != two).mean(axis=(1, 2)) > 0.9).all()


def test_background_and_noise_are_both_redrawn_in_every_channel() -> None:
    for index in range(5):
        takes = np.stack([ALL._nuisance(0, index, take, 0)[:2] for take in ("own", "for 1")]).reshape(4, 32, 32)
        smooth = takes.reshape(4, 4, 8, 4, 8).mean(axis=(2, 4))
        rough = np.diff(takes, axis=2).reshape(4, -1)
        assert rough.std(axis=1) / np.sqrt(2) == pytest.approx(0.04, rel=0.15)
        for one, two in combinations(range(4), 2):
            assert np.abs(smooth[one] - smooth[two]).max() > 0.03
            assert abs(np.corrcoef(rough[one], rough[two])[0, 1]) < 0.2


def test_half_of_each_class_has_debris_in_the_blue_channel_alone() -> None:
    cells = Fictus(size=16)
    y, x = optics.centred(16)
    ring = np.abs(np.hypot(y, x) - 6.5) < 1.25
    for label in range(4):
        debris = [cells.record(label, index)["debris"] for index in range(100)]
        assert 32 < sum(debris) < 68
        for index in range(20):
            outer = cells._nuisance(label, index, "own", label)[:, ring].max(axis=1)
            assert (outer[NUCLEUS] > 0.55) == bool(debris[index])
            assert (outer[:2] < 0.55).all()


# --- optics, each against a plain loop


def test_spots_equal_the_mean_of_gaussians_over_each_pixel() -> None:
    rng = np.random.default_rng(0)
    centres, sigma, peaks = rng.uniform(-3, 3, (4, 2)), rng.uniform(0.3, 1.5, 4), rng.uniform(0.5, 1, 4)
    fine = (np.arange(9 * 40) + 0.5) / 40 - 4.5
    expected = np.zeros((9, 9))
    for (row, column), width, peak in zip(centres, sigma, peaks, strict=True):
        gaussian = np.exp(-((fine[:, None] - row) ** 2 + (fine[None] - column) ** 2) / (2 * width**2))
        expected += peak * gaussian.reshape(9, 40, 9, 40).mean(axis=(1, 3))
    assert optics.spots(9, centres, sigma, peaks) == pytest.approx(expected, abs=1e-3)


def test_a_smooth_field_is_a_sum_over_lattice_points() -> None:
    field = optics.smooth_field((6, 5), 1.7, np.random.default_rng(4))
    lattice = np.random.default_rng(4).standard_normal((4 + 8, 3 + 8))
    for row in range(6):
        for column in range(5):
            total = square = 0.0
            for i in range(12):
                for j in range(11):
                    dy, dx = (row + 0.5) / 1.7 - (i - 3), (column + 0.5) / 1.7 - (j - 3)
                    weight = exp(-(dy**2 + dx**2) / 2)
                    total, square = total + weight * lattice[i, j], square + weight**2
            assert field[row, column] == pytest.approx(total / np.sqrt(square), abs=2e-3)


@pytest.mark.parametrize(("shape", "sigma_px"), [((12,), 3.0), ((7, 9), 2.5), ((5, 6, 4), 0.4)])
def test_a_smooth_field_has_unit_variance_and_gaussian_correlation(shape: tuple[int, ...], sigma_px: float) -> None:
    rng = np.random.default_rng(1)
    fields = np.stack([optics.smooth_field(shape, sigma_px, rng) for _ in range(3000)])
    assert fields.shape[1:] == shape
    assert np.abs(fields.mean(axis=0)).max() < 0.1
    assert np.abs(fields.var(axis=0) - 1).max() < 0.15
    neighbours = np.corrcoef(fields[..., 1].ravel(), fields[..., 2].ravel())[0, 1]
    assert neighbours == pytest.approx(np.exp(-1 / (4 * sigma_px**2)), abs=0.02)


def test_ellipse_distance_is_that_to_the_nearest_point_near_the_outline() -> None:
    angle = np.linspace(0, 2 * np.pi, 20001)
    outline = np.stack([6 * np.sin(angle), 12 * np.cos(angle)])
    y, x = optics.centred(41)
    distance = optics.ellipse_distance(y + 0 * x, x + 0 * y, 6.0, 12.0)
    near = 0
    for row, column in np.ndindex(41, 41):
        place = np.array([y[row, 0], x[0, column]])
        exact = np.hypot(*(outline - place[:, None])).min()
        exact *= 1 if np.hypot(place[0] / 6, place[1] / 12) > 1 else -1
        if abs(exact) < 1.5:
            near += 1
            assert distance[row, column] == pytest.approx(exact, abs=0.25)
    assert near > 100
    assert distance[20, 20] == -6
    circle = optics.ellipse_distance(y + 0 * x, x + 0 * y, 7.0, 7.0)
    assert circle == pytest.approx(np.hypot(y, x) - 7)


def test_edges_and_lines_are_steps_and_strokes_seen_through_a_gaussian() -> None:
    distance = np.linspace(-6, 6, 49)
    width = np.sqrt(1.3**2 + 1 / 12)
    assert optics.edge(distance, 1.3) == pytest.approx(norm.cdf(-distance / width))
    line = optics.line(distance, 1.3)
    assert line == pytest.approx(norm.pdf(distance / width) / norm.pdf(0) * 1.3 / width)
    assert np.trapezoid(optics.line(distance, 0.2), distance) == pytest.approx(0.2 * np.sqrt(2 * np.pi), rel=1e-3)


def test_noise_has_its_deviation_and_no_neighbours() -> None:
    noise = optics.noise((200, 200), 0.3, np.random.default_rng(2))
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < 0.002


def test_the_camera_rounds_and_clips() -> None:
    stored = optics.to_uint16(np.array([-1.0, 0.0, 1.0, 2.0, 2.0 / 65535 * 1.6, 9.0]), 2.0)
    assert stored.tolist() == [0, 0, 32768, 65535, 2, 65535]
    assert stored.dtype == np.uint16


def test_a_shortcut_tells_the_classes_apart_by_debris_alone() -> None:
    sound, cut = (Fictus(count=12, size=32, factors=("aggregates",), shortcut=share) for share in (0.0, 1.0))
    assert [cut.record(label, 3)["debris"] for label in (0, 1)] == [0, 1]
    assert {sound.record(0, index)["debris"] for index in range(12)} == {0, 1}
    marks = cut.detour(0, 3, 1)
    assert marks[2].any()
    assert not marks[:2].any()
    difference = np.abs(cut.draw(0, 3).astype(int) - cut.oracle(0, 3, 1, "nuisance"))[2]
    assert difference[marks[2]].mean() > 3 * difference[~marks[2]].mean()
    np.testing.assert_array_equal(cut.truth(0, 3, 1), sound.truth(0, 3, 1))
    assert not (cut.draw(0, 3)[:2] != sound.draw(0, 3)[:2]).any()
