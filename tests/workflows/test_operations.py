"""Operations are counted as they are, forwards and backwards."""

import torch
from torch import nn

from aliter.workflows.boundary.compare import operations


def test_a_matrix_product_counts_its_multiplications_and_additions() -> None:
    a, b = torch.zeros(3, 4), torch.zeros(4, 5)
    assert operations(lambda: a @ b) == 2 * 3 * 4 * 5


def test_a_step_back_costs_twice_a_step_forth_and_leaves_may_be_asked() -> None:
    layer, x = nn.Linear(6, 7, bias=False), torch.zeros(2, 6, requires_grad=True)
    forth = operations(lambda: layer(x))
    assert forth == 2 * 2 * 6 * 7
    assert operations(lambda: torch.autograd.grad(layer(x).sum(), [x, layer.weight])) == 3 * forth
    convolution, image = nn.Conv2d(1, 2, 3, bias=False), torch.zeros(1, 1, 5, 5)
    assert operations(lambda: convolution(image)) == 2 * 9 * 2 * 9
