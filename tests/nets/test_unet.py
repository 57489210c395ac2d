import numpy as np
import pytest
import torch

from aliter.core.errors import RequestError
from aliter.nets.blocks import initialise
from aliter.nets.heads import Head
from aliter.nets.scan import embedded, tile_for, tiles
from aliter.nets.unet import UNetSpec

PUBLISHED = UNetSpec(growth=6, factors=(2, 2, 2))
"""The 2-D configuration of the original."""


def size(spec: UNetSpec, ndim: int) -> int:
    with torch.device("meta"):
        return sum(one.numel() for one in spec.build(1, ndim).parameters())


def test_the_published_network_has_its_shapes_and_parameters() -> None:
    for given, left in ((260, 168), (252, 160), (180, 88), (124, 32), (100, 8)):
        assert PUBLISHED.check((given, given)) == (left, left)
    for given in (92, 256, 264):
        with pytest.raises(RequestError, match=rf"expected 100, 108, 116, ... voxels along axis 0 of .*found {given}"):
            PUBLISHED.check((given, given))
    # Without the 1x1 convolution to the embedding, which the original counts apart.
    assert size(PUBLISHED, 2) - (12 * 12 + 12) == 86_387_052
    assert PUBLISHED.context(2) == (92, 92)


def test_volumes_with_unequal_kernels_and_factors() -> None:
    flat, cubic = ((1, 3, 3), (1, 3, 3)), ((3, 3, 3), (3, 3, 3))
    spec = UNetSpec(growth=6, factors=((1, 2, 2),) * 3, down=(cubic, flat, flat, flat), up=(flat, cubic, flat))
    assert spec.check((14, 260, 260)) == (6, 168, 168)
    small = UNetSpec(width=2, features=3, factors=((1, 2, 2),), down=(cubic, flat), up=(flat,))
    assert small.build(1, 3)(torch.zeros(1, 1, 8, 32, 32)).shape == (1, 3, *small.check((8, 32, 32)))


def test_the_default_is_small() -> None:
    assert UNetSpec().check((140, 140)) == (100, 100)
    assert size(UNetSpec(), 2) - (12 * 12 + 12) == 66_444


@pytest.mark.parametrize("upsample", ["constant", "transposed"])
def test_a_shift_by_the_period_shifts_the_output_and_nothing_else(upsample: str) -> None:
    spec = UNetSpec(width=3, factors=(2, 2, 2), features=4, upsample=upsample)
    net = spec.build(1, 2).double()
    x = torch.randn(1, 1, 108 + 8, 100, dtype=torch.float64)
    for apply in (net, net.pyramid):
        a, b, c = apply(x[:, :, :108]), apply(x[:, :, 8:]), apply(x[:, :, 4:112])
        assert (a[:, :, 8:] - b[:, :, :-8]).abs().max() == 0
        assert (a[:, :, 4:] - c[:, :, :-4]).abs().max() > 0


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("shape", [(50, 43), (9, 30, 21)])
def test_blocked_equals_whole(padding: str, shape: tuple[int, ...]) -> None:
    factors = (2, 2) if len(shape) == 2 else ((1, 2, 2),)
    spec = UNetSpec(width=2, factors=factors, passes=1, features=3, padding=padding)
    net = spec.build(1, len(shape)).eval()
    initialise({"net": net}, 0)
    field = np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)

    def read(box: tuple[slice, ...]) -> np.ndarray:
        return field[(slice(None), *box)]

    def scanned(most: int) -> np.ndarray:
        out = np.empty((3, *shape), np.float32)
        for box in tiles(shape, tile_for(spec, shape, most)):
            out[(slice(None), *box)] = embedded(spec, net, read, shape, box)
        return out

    whole = scanned(64)
    np.testing.assert_allclose(scanned(8), whole, atol=1e-5)
    context = [extra // 2 for extra in spec.context(len(shape))]
    padded = np.pad(field, [(0, 0), *((extra, extra + 8) for extra in context)], mode="reflect")
    legal = [length // 4 * 4 for length in shape[-2:]]
    taken = [*shape[:-2], *legal]
    given = padded[(slice(None), *(slice(0, size + 2 * extra) for size, extra in zip(taken, context, strict=True)))]
    with torch.no_grad():
        direct = net(torch.from_numpy(given)[None])[0].numpy()
    if padding == "same":
        direct = direct[
            (slice(None), *(slice(extra, extra + size) for size, extra in zip(taken, context, strict=True)))
        ]
    np.testing.assert_allclose(whole[(slice(None), *(slice(0, size) for size in taken))], direct, atol=1e-5)


def test_a_head_says_the_same_of_points_and_of_maps() -> None:
    head = Head((12, 7, 3))
    for shape in ((5, 6), (3, 5, 6)):
        maps = torch.randn(2, 12, *shape)
        rows = maps.movedim(1, -1)
        torch.testing.assert_close(head.dense(maps).movedim(1, -1), head(rows), atol=1e-6, rtol=0)


def test_a_head_of_known_weights() -> None:
    head = Head((2, 2, 2))
    known = {
        "layers.0.weight": [[1.0, -1.0], [0.5, 0.5]],
        "layers.0.bias": [0.0, -0.25],
        "layers.1.weight": [[1.0, 0.0], [-1.0, 2.0]],
        "layers.1.bias": [0.1, -0.1],
    }
    head.load_state_dict({name: torch.tensor(value) for name, value in known.items()})
    rows = torch.tensor([[2.0, 1.0], [0.0, 1.0], [1.0, 3.0]])
    torch.testing.assert_close(head(rows), torch.tensor([[1.1, 1.4], [0.1, 0.4], [0.1, 3.4]]))


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_batch_norm_is_fixed_once_it_has_learned(ndim: int) -> None:
    net = UNetSpec(width=2, factors=(2,), padding="same", norm="batch", features=1).build(1, ndim)
    x = torch.randn(2, 1, *(8,) * ndim, generator=torch.Generator().manual_seed(0))
    net.train()(x)
    net.eval()
    with torch.no_grad():
        torch.testing.assert_close(net(x)[:1], net(x[:1]))
        shifted = net(x + 1) - net(x)
    assert shifted.abs().max() > 1e-3
