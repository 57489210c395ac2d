"""What we write is OME-NGFF 0.5, in the judgement of a validator that is not ours."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from ome_zarr_models.common.omero import Omero
from ome_zarr_models.v05.image import Image

from aliter.data import layout
from aliter.data.images import Header, Images, write_images
from aliter.data.run import Run
from aliter.data.simulate import Fictus
from aliter.data.simulate.store import write_simulation


def judged(store: Path, group: str) -> Image:
    """Return the images of a group as the validator understands them."""
    return Image.from_zarr(zarr.open_group(store / group, mode="r"))


@pytest.mark.parametrize("pixel_um", [(), (0.5, 0.25, 0.25)])
def test_images_with_stacks_and_pixels(tmp_path: Path, pixel_um: tuple[float, ...]) -> None:
    count = np.zeros(3, np.uint8)
    header = Header(
        classes=("a", "b"),
        channels=("DNA", "actin"),
        range=(0.0, 4095.0),
        shape=(2, 3, 4, 5),
        dtype="uint16",
        ids=(("1", "2", "3"), ("4", "5", "6")),
        splits=(count, count),
        pixel_um=pixel_um,
    )
    write_images(tmp_path / "store", header, lambda label, start, stop: np.ones((stop - start, 2, 3, 4, 5), np.uint16))
    found = judged(tmp_path / "store", "images")
    assert [one.name for one in found.ome_attributes.multiscales] == ["0", "1"]
    for one in found.ome_attributes.multiscales:
        assert [axis.name for axis in one.axes] == ["index", "channel", "z", "y", "x"]
        assert one.datasets[0].coordinateTransformations[0].scale == [1, 1, *(pixel_um or (1, 1, 1))]
        assert {axis.unit for axis in one.axes if axis.type == "space"} == {"micrometer" if pixel_um else None}
    noted = zarr.open_group(tmp_path / "store" / "images", mode="r").attrs["ome"]
    shown = Omero.model_validate(noted["omero"])
    assert [one.label for one in shown.channels] == ["DNA", "actin"]
    assert (shown.channels[0].window.start, shown.channels[0].window.end) == (0, 4095)
    assert Images(tmp_path / "store").pixel_um == pixel_um


def test_simulated_pairs_and_their_truth(tmp_path: Path) -> None:
    write_simulation(Fictus(count=12, size=16, factors=("aggregates",)), tmp_path / "store")
    for group in ("images", "plain/generated", "nuisance/generated", "truth"):
        assert judged(tmp_path / "store", group).ome_attributes.multiscales


def test_everything_that_looks_like_an_image_in_a_run(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", Fictus())
    for name in ("latent/generated/1_0", "latent/generated/0_1", "latent/generated/1_0"):
        run.create(name, (2, 1, 3, 4, 4), np.float32, layout.TRIES)
    run.save("latent/scores/residual/0_1", np.zeros((2, 1)), ("index", "batch"))
    found = judged(run.path / "store.zarr", "latent/generated")
    assert [one.name for one in found.ome_attributes.multiscales] == ["0_1", "1_0"]
    assert "ome" not in zarr.open_group(run.path / "store.zarr" / "latent/scores/residual", mode="r").attrs
