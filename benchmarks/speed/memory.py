"""Peak memory of the stages that explain, for 64 and for 640 images: it should not grow with their number.

    scripts/bench speed memory

Each number of images is explained by a process of its own, from the same classifier and translator.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import aliter
from aliter.data.run import Run
from aliter.workflows.counterfactual import STAGES, Config
from aliter.workflows.stage import due, link, run_stages

FIT = {"steps": 4, "size": 4, "judge_every": 4, "save_every": 4, "threads": 1}
CONFIG = {
    "images": {"simulate": "fictus", "count": 320, "size": 64, "factors": ["aggregates"]},
    "classify": {"net": {"kind": "small_cnn", "width": 8}, "fit": FIT},
    "translate": {"net": {"width": 8, "cap": 16, "style": 4, "latent": 4, "mapping": 8}, "fit": FIT},
    "generate": {"split": "all", "tries": 2},
    "evaluate": {"sweep": {"close_px": 5, "steps": 20}},
}
EXPLAINING = ("generate", "attribute", "evaluate")
COUNTS = (64, 640)


def config(count: int) -> Config:
    """Return the config that explains ``count`` images."""
    values = {**CONFIG, "generate": {"split": "all", "tries": 2, "kinds": ["latent"], "count": count // 2}}
    return Config.model_validate(values)


def peak() -> int:
    """Return the most memory that this process ever held, in bytes; what other calls say includes its parent's."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def explain(path: Path, source: Path, count: int) -> None:
    """Explain ``count`` images in this process, and print how far the peak rose."""
    chosen = config(count)
    run = Run(path, chosen)
    with run.working():
        waiting = due(STAGES, chosen, run, "evaluate")
        left = link(waiting, run, source)
        assert [one.stage.name for one in left] == list(EXPLAINING), left
        run_stages(left, chosen, run)
    print(peak())


def main() -> None:
    """Print the peaks and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        aliter.run(config(COUNTS[0]), to=source, stage="translate")
        peaks = []
        for count in COUNTS:
            command = [sys.executable, __file__, str(Path(folder) / str(count)), str(source), str(count)]
            peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]))
    print("\n| images | peak memory |\n|--:|--:|")
    for count, found in zip(COUNTS, peaks, strict=True):
        print(f"| {count} | {found / 2**20:.0f} MiB |")
    print(f"\nratio {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        explain(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
