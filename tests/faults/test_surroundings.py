"""Where a run happens, and what it is called, is no part of its result (18, 30); nothing is fetched unasked."""

import os
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.conftest import contents

BEFORE = """
import os, sys, time
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"):
        open(os.environ["CALLS"], "a").write(event)
        raise OSError(101, "Network is unreachable")
sys.addaudithook(refuse)
if os.environ.get("BACK"):
    now = time.time
    time.time = lambda: now() - 3e8 if time.perf_counter() % 2 < 1 else now()
if os.environ.get("CORE"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from aliter.cli import main
main()
"""
GONE = ("HOME", "OMP_NUM_THREADS", "LANG", "LC_ALL", "TZ", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR")
PLAIN = {
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "TZ": "Pacific/Kiritimati",
    "OMP_NUM_THREADS": "1",
    "BACK": "yes",
    "CORE": "yes",
}
"""No home, ASCII, a clock that jumps back, one core."""
GERMAN = {"HOME": "/proc/self", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE", "TZ": "UTC"}
"""A home in which nothing can be written, and commas in numbers."""


def run(config: Path, to: Path, surroundings: dict[str, str]) -> dict[str, str]:
    """Run ``config`` up to its classifier and return the hashes of what it left."""
    calls = to.with_suffix(".calls")
    kept = {name: value for name, value in os.environ.items() if name not in GONE}
    done = subprocess.run(
        [sys.executable, "-c", BEFORE, "run", "--to", str(to), "--stage", "classify", "--", str(config)],
        env={**kept, "CALLS": str(calls), **surroundings},
        cwd=config.parent,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not calls.exists(), f"it tried to reach the network: {calls.read_text()}"
    return contents(to)


def test_surroundings_change_no_byte(micro: Path, tmp_path: Path) -> None:
    odd = tmp_path / "-run 100% é\n"
    odd.mkdir()
    renamed = odd / "-ç %s.yaml"
    renamed.write_bytes(micro.read_bytes())
    one = run(micro, tmp_path / "run", PLAIN)
    other = run(renamed, odd / "--to {x}", GERMAN)
    assert "images.zarr/zarr.json" in one
    assert any(name.startswith("checkpoints/classifier-best") for name in one)
    assert one == other
