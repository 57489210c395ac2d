"""Where a run happens is no part of its result (30), and nothing is fetched without being asked."""

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
PLACES = {
    "no home, plain locale, clock back, one core": {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "TZ": "Pacific/Kiritimati",
        "OMP_NUM_THREADS": "1",
        "BACK": "yes",
        "CORE": "yes",
    },
    "home that cannot be written, German": {
        "HOME": "/proc/self",
        "LC_ALL": "de_DE.UTF-8",
        "LANG": "de_DE",
        "TZ": "UTC",
    },
}


def run(config: Path, to: Path, surroundings: dict[str, str]) -> dict[str, str]:
    """Run ``config`` up to its classifier and return the hashes of what it left."""
    calls = to.with_suffix(".calls")
    kept = {name: value for name, value in os.environ.items() if name not in GONE}
    done = subprocess.run(
        [sys.executable, "-c", BEFORE, "run", str(config), "--to", str(to), "--stage", "classify"],
        env={**kept, "CALLS": str(calls), **surroundings},
        cwd=config.parent,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not calls.exists(), f"it tried to reach the network: {calls.read_text()}"
    return contents(to)


def test_surroundings_change_no_byte(micro: Path, tmp_path: Path) -> None:
    one, other = (run(micro, tmp_path / str(number), PLACES[name]) for number, name in enumerate(PLACES))
    assert "images.zarr/zarr.json" in one
    assert any(name.startswith("checkpoints/classifier-best") for name in one)
    assert one == other
