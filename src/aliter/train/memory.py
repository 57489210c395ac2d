"""What is said when memory runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from aliter.core.errors import ResourceError

_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
"""The allocators of CPUs and of MPS say so in words only."""


def lacks_memory(error: BaseException) -> bool:
    """Return whether ``error`` says that memory ran out."""
    named = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return named or any(words in str(error) for words in _WORDS)


@contextmanager
def explaining_memory(name: str) -> Iterator[None]:
    """Say in one sentence that memory ran out inside the block, where ``name`` was at work.

    Raises
    ------
    ResourceError
        If it did.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        reason = str(error).partition("\n")[0]
        raise ResourceError(
            f"{name}: memory ran out and smaller parts of a batch would not help ({reason}); the last checkpoint is "
            "sound; use a smaller network, or a machine with more memory"
        ) from error
