import numpy as np
import pytest

from aliter.core.errors import DataError, RequestError
from aliter.data.fields import Fields
from aliter.data.simulate import Nuclei
from aliter.data.simulate.store import write_simulation

FLAT = Nuclei(count=5, size=96)
DEEP = Nuclei(count=4, size=64, depth=8)


@pytest.mark.parametrize("nuclei", [FLAT, DEEP], ids=["flat", "deep"])
def test_fields_are_as_they_were_and_nuclei_are_brighter(nuclei: Nuclei) -> None:
    scene = nuclei.draw(1)
    assert scene.image.shape == (1, *nuclei.shape)
    again = nuclei.model_copy(update={"count": 50}).draw(1)
    np.testing.assert_array_equal(scene.image, again.image)
    np.testing.assert_array_equal(scene.objects, again.objects)
    assert (nuclei.model_copy(update={"seed": 1}).draw(1).image != scene.image).any()
    inside = scene.objects > 0
    assert 0.1 < inside.mean() < 0.4
    assert scene.image[0][inside].mean() > 1.2 * scene.image[0][~inside].mean()
    assert set(np.unique(scene.objects)) == set(range(scene.objects.max() + 1))


@pytest.mark.parametrize("among", ["texture", "debris"])
def test_others_are_as_bright_and_no_nuclei(among: str) -> None:
    scenes = [Nuclei(count=12, size=192, among=among).draw(index) for index in range(6)]
    own = np.concatenate([one.image[0][one.objects > 0] for one in scenes]).mean()
    other = np.concatenate([one.image[0][one.others > 0] for one in scenes]).mean()
    assert other == pytest.approx(own, rel=0.15)
    assert not any(((one.objects > 0) & (one.others > 0)).any() for one in scenes)


def test_a_store_holds_fields_objects_splits_and_groups(tmp_path) -> None:
    write_simulation(FLAT, tmp_path / "a.zarr")
    fields = Fields(tmp_path / "a.zarr")
    assert [len(fields.split(name)) for name in ("train", "val", "test")] == [2, 1, 2]
    scene = FLAT.draw(3)
    np.testing.assert_array_equal(fields.objects(3), scene.objects)
    np.testing.assert_allclose((fields.read(3) + 1) * 65535 / 2, scene.image, atol=0.01)
    box = (slice(10, 20), slice(30, 50))
    np.testing.assert_array_equal(fields.read(3, box), fields.read(3)[:, 10:20, 30:50])
    at = np.array([[5, 6], [70, 80]])
    np.testing.assert_array_equal(fields.objects_at(3, at), scene.objects[tuple(at.T)])
    with pytest.raises(RequestError, match="expected a field from 0 to 4, found 5"):
        FLAT.draw(5)


def test_a_group_in_two_splits_is_refused(tmp_path) -> None:
    from aliter.data import layout

    write_simulation(FLAT, tmp_path / "a.zarr")
    packed = layout.pack(["a", "b", "c", "a", "d"])
    root = layout.open_store(tmp_path / "a.zarr", "a")
    layout.create(root, "groups/0", packed.shape, packed.dtype, ("index", "byte"))[...] = packed
    with pytest.raises(DataError, match="expected each group in one split, found 'a'"):
        Fields(tmp_path / "a.zarr")
