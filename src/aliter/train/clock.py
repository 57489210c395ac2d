"""What a clock says of the parts of a fit."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Adds up how often each part of something was done, and how long that took."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._parts: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Count what is done inside as ``part``."""
        start = time.perf_counter()
        yield
        self._parts[part].append(time.perf_counter() - start)

    def row(self) -> dict[str, object]:
        """Return the seconds since it was made, and of each part how often it was done and the seconds of that."""
        parts = {name: {"times": len(laps), "seconds": sum(laps)} for name, laps in self._parts.items()}
        return {"seconds": time.perf_counter() - self._start, **parts}
