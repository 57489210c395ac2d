"""What all tests share: shapes and types are checked, networks use one thread, nothing is drawn unseeded."""

import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook(["aliter.core", "aliter.ops", "aliter.nets", "aliter.methods", "aliter.data"], "beartype.beartype")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _alike() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
