"""Moving pictures: as many frames as were asked for, one pace, one palette, colours cut off and never wrapped."""

from io import BytesIO

import numpy as np
from PIL import Image

from aliter.report.pictures import composite, gif

SHIFTS = np.linspace(-0.20, 0.48, 35)


def frames() -> np.ndarray:
    return np.stack([composite(np.full((3, 6, 6), one)) for one in SHIFTS])


def test_the_published_sweep_takes_13_6_seconds_and_no_end_is_doubled() -> None:
    with Image.open(BytesIO(gif(frames(), 13.6))) as moving:
        assert moving.n_frames == 68
        assert moving.info["loop"] == 0
        paces = []
        for place in range(68):
            moving.seek(place)
            paces.append(moving.info["duration"])
    assert paces == [200] * 68
    assert sum(paces) == 13_600


def test_colours_are_the_same_in_every_frame() -> None:
    still = np.random.default_rng(0).integers(0, 4, (6, 6, 3), np.uint8) * 80
    pictures = np.repeat(still[None], 4, 0)
    pictures[:, 0, 0] = np.arange(4)[:, None] * 60
    with Image.open(BytesIO(gif(pictures, 1.0))) as moving:
        seen = []
        for place in range(moving.n_frames):
            moving.seek(place)
            seen.append(np.asarray(moving.convert("RGB")))
    for one in seen:
        np.testing.assert_array_equal(one[1:], still[1:])


def test_what_is_too_bright_is_white_and_what_is_too_dark_black() -> None:
    levels = composite(np.array([1.02, -0.02])[:, None, None, None].repeat(3, 1).reshape(2, 3, 1, 1)[0] * 2 - 1)
    assert levels.max() == 255
    assert composite(np.full((3, 1, 1), -0.02 * 2 - 1)).max() == 0
    assert np.uint8(int(1.02 * 255) & 255) == 4
