import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aliter.data.splits import draw_group_splits, draw_splits, straddling


@given(count=st.integers(0, 300), seed=st.integers(0, 5), label=st.integers(0, 3))
def test_fractions(count: int, seed: int, label: int) -> None:
    splits = draw_splits(count, seed, label)
    train, val, test = np.bincount(splits, minlength=3)
    held_out = 0 if count < 3 else max(1, round(count / 10))
    assert (train, val, test) == (count - 2 * held_out, held_out, held_out)
    assert np.array_equal(splits, draw_splits(count, seed, label))


def test_seed_and_class_change_the_draw() -> None:
    draws = [tuple(draw_splits(100, seed, label)) for seed in range(3) for label in range(3)]
    assert len(set(draws)) == 9


def test_each_image_is_as_likely_to_be_held_out() -> None:
    drawn = np.stack([draw_splits(20, seed, 0) for seed in range(600)])
    for split, share in enumerate((0.8, 0.1, 0.1)):
        assert np.allclose((drawn == split).mean(axis=0), share, atol=0.08)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.lists(st.sampled_from("abcdefghijkl"), max_size=40), min_size=1, max_size=4),
    seed=st.integers(0, 5),
)
def test_no_group_stands_in_two_splits(groups: list[list[str]], seed: int) -> None:
    drawn = draw_group_splits(groups, seed)
    assert [len(one) for one in drawn] == [len(one) for one in groups]
    names = [name for column in groups for name in column]
    splits = np.concatenate(drawn)
    assert straddling(names, splits) == []
    if len(set(names)) > 2 * len(groups):
        assert set(splits.tolist()) == {0, 1, 2}
    again = draw_group_splits(groups, seed)
    assert all(np.array_equal(one, two) for one, two in zip(drawn, again, strict=True))


def test_groups_that_stand_in_two_splits_are_named() -> None:
    assert straddling(["a", "b", "a", "c", "b"], np.array([0, 1, 0, 1, 2], np.uint8)) == ["b"]


def test_equal_groups_are_shared_out_80_10_10_in_every_class() -> None:
    wells = [[f"{name}{well}" for well in range(20) for _ in range(4)] for name in "ab"]
    for seed in range(5):
        for splits in draw_group_splits(wells, seed):
            assert np.bincount(splits).tolist() == [64, 8, 8]


def test_donors_that_give_to_all_classes_are_shared_out_too() -> None:
    donors = [[f"donor {row % 10}" for row in range(50)] for _ in range(3)]
    assert [np.bincount(one).tolist() for one in draw_group_splits(donors, 1)] == [[40, 5, 5]] * 3


def test_the_seed_draws_the_groups() -> None:
    wells = [[str(well) for well in range(30)]]
    draws = {tuple(draw_group_splits(wells, seed)[0].tolist()) for seed in range(6)}
    assert len(draws) == 6
