import numpy as np

from aliter.core.rng import chance, torch_seed


def test_same_name_same_numbers() -> None:
    assert np.array_equal(chance(0, "a", 1).random(8), chance(0, "a", 1).random(8))


def test_an_integer_of_numpy_is_the_same_name() -> None:
    assert np.array_equal(chance(np.int64(0), "a", np.uint8(1)).random(8), chance(0, "a", 1).random(8))
    assert torch_seed(0, np.int64(1)) == torch_seed(0, 1) != torch_seed(0, "1")


def test_other_names_are_independent() -> None:
    keys = [(0, "a", 1), (0, "a", 2), (1, "a", 1), (0, "a1"), (0, "a", "1"), (0, 1, "a")]
    drawn = [chance(*key).random(1000) for key in keys]  # type: ignore[arg-type]
    seeds = {torch_seed(*key) for key in keys}  # type: ignore[arg-type]
    correlation = np.corrcoef(drawn) - np.eye(len(keys))
    assert len(seeds) == len(keys)
    assert np.abs(correlation).max() < 0.15


def test_numbers_stay_the_same_for_ever() -> None:
    assert chance(0, "epoch", 3).integers(0, 1000, 4).tolist() == [966, 588, 656, 216]
