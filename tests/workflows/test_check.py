import json
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from aliter.core.errors import DataError, ResourceError
from aliter.data import layout
from aliter.data.doctor import memory_total
from aliter.data.images import Images
from aliter.data.run import Run
from aliter.data.sample import Census, census, write_sample
from aliter.data.simulate.fictus import Fictus
from aliter.data.simulate.store import write_simulation
from aliter.data.tiff import write_tiff
from aliter.nets.own import save_script
from aliter.workflows import counterfactual
from aliter.workflows.check import Planned, Understood, check, size
from aliter.workflows.counterfactual import Config
from aliter.workflows.estimate import Cost, line
from aliter.workflows.tables import duration, tables
from aliter.workflows.trial import LiveTensors

SWEEP = {"close_px": 5, "blur_sigma_px": 1.0, "steps": 4}
RESIDUAL = {"discriminative": [{"kind": "residual"}]}
CONFIG = {
    "images": {"simulate": "fictus", "count": 30, "size": 32, "factors": ["aggregates"], "seed": 0},
    "classify": {
        "net": {"kind": "small_cnn", "width": 4},
        "fit": {"steps": 5, "size": 8, "judge_every": 3, "save_every": 2, "best": ["accuracy"], "threads": 1},
    },
    "translate": {
        "net": {"width": 16, "cap": 64, "style": 4, "latent": 4, "mapping": 8, "output": {"kind": "logit_residual"}},
        "objective": {"passes": "shared", "r1_every": 2},
        "fit": {
            "steps": 3,
            "size": 24,
            "ema": {"nets": ["generator", "mapping", "style"]},
            "threads": 1,
            "judge_every": 3,
            "save_every": 2,
            "best": ["conversion"],
        },
        "tries": 1,
        "judge_tries": 1,
    },
    "generate": {"count": 3, "tries": 2, "kinds": ["latent"], "pairs": ["nuisance"]},
    "attribute": RESIDUAL,
    "evaluate": {"sweep": SWEEP},
}
REAL = """
import json, resource, sys
from pathlib import Path
import timm, torch
import aliter.report.counterfactual
from aliter.data.run import Run
from aliter.workflows import counterfactual, read, workflow
from aliter.workflows.stage import due, run_stages

def peak():
    # What getrusage says of a Linux process includes the one that started it.
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

torch.set_num_threads(1)
config = counterfactual.Config.model_validate(json.loads(sys.argv[1]))
run = Run(Path(sys.argv[2]), config)
before = peak()
with run.working():
    run_stages(due(counterfactual.STAGES, config, run), config, run)
print(peak() - before)
"""


@pytest.fixture(scope="module")
def config() -> Config:
    return Config.model_validate(CONFIG)


@pytest.fixture(scope="module")
def understood(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Understood:
    """Return what a check finds before anything was run, having looked that nothing stays of it."""
    folder = tmp_path_factory.mktemp("nothing")
    (folder / "temp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        # PyTorch's own cache, which it makes when first used, is no trace of a check.
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("torch")))
        patch.setattr(tempfile, "tempdir", str(folder / "temp"))
        found = check(config, folder / "run")
    assert [path.name for path in folder.rglob("*")] == ["temp"]
    return found


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, int]:
    """Return the same run carried out in a process of its own, and that process's peak beyond its imports."""
    path = tmp_path_factory.mktemp("real") / "run"
    command = [sys.executable, "-c", REAL, json.dumps(CONFIG), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Run(path), int(done.stdout)


def stored(path: Path) -> int:
    """Return the bytes of all arrays in a store, uncompressed."""
    root = layout.open_store(path)
    return sum(layout.array(root, name).nbytes for name in names(path))


def names(store: Path) -> list[str]:
    found = [file.parent for file in store.rglob("zarr.json") if json.loads(file.read_text())["node_type"] == "array"]
    return sorted(folder.relative_to(store).as_posix() for folder in found)


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def test_disk_is_as_estimated(understood: Understood, real: tuple[Run, int]) -> None:
    run, _ = real
    by_stage: dict[str, int] = {}
    for name in run.names():
        array = run.array(name)
        by_stage[str(array.attrs["stage"])] = by_stage.get(str(array.attrs["stage"]), 0) + array.nbytes
    by_stage["gather"] = stored(run.path / "images.zarr")
    for one in understood.stages:
        assert sum(array.bytes for array in one.cost.arrays) == pytest.approx(by_stage.get(one.name, 0), rel=0.01)
    for stage, name in (("classify", "classifier"), ("translate", "translator")):
        kept = sum(path.stat().st_size for path in run.path.glob(f"checkpoints/{name}-*.safetensors"))
        cost = next(one.cost for one in understood.stages if one.name == stage)
        assert cost.checkpoints == pytest.approx(kept, rel=0.02)
    files = [
        path for path in run.path.rglob("*") if path.is_file() and not {"store.zarr", "images.zarr"} & {*path.parts}
    ]
    total = sum(by_stage.values()) + sum(path.stat().st_size for path in files)
    assert sum(one.cost.disk for one in understood.stages) == pytest.approx(total, rel=0.15)


def test_every_array_is_as_estimated(understood: Understood, real: tuple[Run, int]) -> None:
    found: dict[str, list[tuple[int, ...]]] = {}
    for store in (real[0].path / "images.zarr", real[0].path / "store.zarr"):
        for name in names(store):
            what, _, last = name.rpartition("/")
            form = f"{what}/{{pair}}" if "_" in last else f"{what}/{{number}}" if last.isdigit() else name
            shape = layout.array(layout.open_store(store), name).shape
            found.setdefault(f"{store.stem}/{form}", []).append(shape)
    told = {
        f"{'images' if one.name == 'gather' else 'store'}/{array.name}": [array.shape] * array.arrays
        for one in understood.stages
        for array in one.cost.arrays
    }
    assert told.keys() == found.keys()
    wide = {"images/ids/{number}", "store/ids/{number}"}  # As wide as names are long.
    assert {name: told[name] for name in told.keys() - wide} == {name: found[name] for name in found.keys() - wide}


def test_memory_is_as_estimated(understood: Understood, real: tuple[Run, int]) -> None:
    peak = real[1]
    assert peak > 120e6, "too small to tell tensors from libraries"
    assert peak / 2 <= understood.memory <= 2 * peak, (peak, understood.memory)


def test_steps_are_as_estimated(understood: Understood, real: tuple[Run, int]) -> None:
    made = {name: [row["step"] for row in real[0].metrics(name)][-1] for name in ("classify", "translate")}
    assert {one.name: one.steps for one in understood.stages if one.steps} == made == {"classify": 5, "translate": 3}
    assert all(one.why == "not done yet" and one.begins == 0 for one in understood.stages)
    assert all(one.seconds > 0 for one in understood.stages)


def test_an_existing_run_is_left_alone_and_only_what_is_due_counts(
    understood: Understood, config: Config, real: tuple[Run, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = real[0]
    costs = tuple(one.cost for one in understood.stages)
    sample = Images(run.path / "images.zarr")
    monkeypatch.setattr("aliter.workflows.check.estimate", lambda *asked: (sample, costs))
    before = contents(run.path)

    done = check(config, run.path)
    assert {one.why for one in done.stages} == {"done"}
    assert done.disk == done.seconds == 0

    fit = config.classify.fit.model_copy(update={"steps": 9})
    longer = config.model_copy(update={"classify": config.classify.model_copy(update={"fit": fit})})
    stages = {one.name: one for one in check(longer, run.path).stages}
    assert (stages["gather"].why, stages["classify"].why, stages["classify"].begins) == ("done", "goes on", 5)
    assert stages["attribute"].due
    assert contents(run.path) == before


def test_every_fact_is_in_the_tables(understood: Understood) -> None:
    images, stages, arrays, sums = tables(understood)
    assert ("few", "24", "3", "3") in images.rows
    assert [row[0] for row in stages.rows] == [stage.name for stage in counterfactual.STAGES]
    assert ("generate", "latent/generated/{pair}", "2", "float32", "3 x 1 x 3 x 32 x 32", "73.7 kB") in arrays.rows
    assert len(sums.rows) == 3
    for table in tables(understood):
        assert {len(row) for row in table.rows} == {len(table.head)}


def test_given_pairs_and_a_model_of_ones_own_need_neither_fit_nor_translator(tmp_path: Path) -> None:
    write_simulation(Fictus(count=30, size=16, factors=("aggregates",)), tmp_path / "images.zarr")
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
    save_script(net, (3, 16, 16), tmp_path / "own.pt")
    pairs = layout.open_store(tmp_path / "pairs.zarr", "a")
    made = layout.create(pairs, "mine/generated/1_0", (3, 3, 16, 16), np.uint16, layout.IMAGE)
    made[...] = np.arange(3, dtype=np.uint16)[:, None, None, None] * np.uint16(20_000)
    config = Config.model_validate(
        {
            "images": tmp_path / "images.zarr",
            "pairs": tmp_path / "pairs.zarr",
            "classify": {"net": {"kind": "own", "path": tmp_path / "own.pt"}},
            "attribute": {"discriminative": [{"kind": "integrated_gradients", "steps": 4}]},
            "evaluate": {"sweep": SWEEP},
        }
    )
    before = contents(tmp_path)
    found = check(config, tmp_path / "run", trust=True)
    assert contents(tmp_path) == before
    assert [one.name for one in found.stages] == ["gather", "classify", "generate", "attribute", "evaluate", "report"]
    assert not any(one.steps for one in found.stages)
    sizes = {array.name: array for one in found.stages for array in one.cost.arrays}
    assert sizes["mine/generated/{pair}"].shape == (3, 1, 3, 16, 16)
    assert sizes["mine/generated/{pair}"].arrays == 1
    assert not any(name.startswith(("latent", "ids/0")) for name in sizes)


@pytest.mark.parametrize("given", ["images", "pairs"])
def test_pairs_planted_in_a_store_are_told_wherever_it_is_named(tmp_path: Path, given: str) -> None:
    write_simulation(Fictus(count=30, size=16, factors=("aggregates",)), tmp_path / "images.zarr")
    save_script(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2)), (3, 16, 16), tmp_path / "own.pt")
    config = Config.model_validate(
        {
            "images": tmp_path / "images.zarr",
            **({"pairs": tmp_path / "images.zarr"} if given == "pairs" else {}),
            "classify": {"net": {"kind": "own", "path": tmp_path / "own.pt"}},
            "generate": {"kinds": [], "pairs": ["nuisance"]},
            "attribute": RESIDUAL,
            "evaluate": {"sweep": SWEEP},
        }
    )
    stages = check(config, tmp_path / "run", trust=True).stages
    sizes = {array.name: array for one in stages for array in one.cost.arrays}
    assert (sizes["nuisance/generated/{pair}"].shape, sizes["nuisance/generated/{pair}"].arrays) == (
        (3, 1, 3, 16, 16),
        2,
    )
    assert sizes["nuisance/truth_scores/residual/{pair}"].shape == (3, 1, 4)


def test_bad_files_are_listed_before_anything_is_tried(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(4):
            write_tiff(tmp_path / "images" / name / f"{index}.tif", np.full((1, 16, 16), index, np.uint16), ("one",))
    (tmp_path / "images" / "a" / "note.png").write_text("no image")
    (tmp_path / "images" / "b" / "empty.tif").touch()
    with pytest.raises(DataError, match=r"2 files(.|\n)*note.png(.|\n)*empty.tif") as raised:
        check(Config(images=tmp_path / "images"), tmp_path / "run")
    assert raised.value.code == 3


def test_a_split_without_images_is_refused(tmp_path: Path) -> None:
    write_simulation(Fictus(count=2, size=16, factors=("aggregates",)), tmp_path / "images.zarr")
    with pytest.raises(DataError, match="'few' in the split 'test', found none"):
        check(Config(images=tmp_path / "images.zarr"), tmp_path / "run")


def folder(path: Path, count: int) -> Path:
    for label, name in enumerate(("a", "b")):
        (path / name).mkdir(parents=True)
        for index in range(count):
            values = np.full((1, 16, 16), 1000 * label + index, np.uint16)
            write_tiff(path / name / f"{index:02d}.tif", values, ("one",))
    return path


def test_a_sample_holds_the_first_of_each_split_unchanged(tmp_path: Path) -> None:
    source = folder(tmp_path / "images", 50)
    found = census(source, None)
    assert found.counts.tolist() == [[40, 5, 5]] * 2
    assert (found.stated, found.range, found.bytes) == (False, (0, 65535), 100 * 512)
    images = write_sample(source, found, tmp_path / "sample.zarr")
    assert len(images) < 60
    for label, (ids, splits) in enumerate(zip(found.ids, found.splits, strict=True)):
        rows = np.flatnonzero(images.labels == label)
        place = {one: index for index, one in enumerate(ids)}
        for row in rows:
            index = place[images.ids[row]]
            assert images.splits[row] == splits[index]
            assert (images.take(np.array([row])) == 1000 * label + index).all()
        taken = {images.ids[row] for row in rows}
        for split in range(3):
            assert {ids[index] for index in np.flatnonzero(splits == split)[:4]} <= taken


def told(
    dtype: str, declared: tuple[float, float], observed: tuple[float, float], memory: int = 0, disk: int = 0
) -> Understood:
    images = Census(
        ("a",),
        ("one",),
        (1, 8, 8),
        dtype,
        (float(declared[0]), float(declared[1])),
        False,
        (("x",),),
        (np.zeros(1, np.uint8),),
        copied=True,
    )
    cost = Cost("fit", 10, files=disk, memory=memory)
    return Understood(images, observed, 1, (Planned("fit", "not done yet", 0, cost),), 1000, 10**9)


@pytest.mark.parametrize(
    ("dtype", "declared", "observed", "words"),
    [
        ("uint16", (0, 65535), (3, 4000), "12-bit data in a 16-bit range (found 3 to 4000): use range: [0, 4095]"),
        ("uint16", (0, 65535), (3, 200), "8-bit data in a 16-bit range (found 3 to 200): use range: [0, 255]"),
        ("uint16", (0, 4095), (3, 5000), "values from 3 to 5000 leave the range [0, 4095]"),
        ("float32", (0, 1), (-0.5, 1), "values from -0.5 to 1 leave the range [0, 1]"),
        ("float32", (0, 1000), (0, 1), "fill less than an eighth of the range [0, 1000]"),
        ("uint8", (0, 255), (7, 7), "every value in the sample is 7"),
    ],
)
def test_a_range_that_does_not_fit_is_seen(
    dtype: str, declared: tuple[float, float], observed: tuple[float, float], words: str
) -> None:
    (warning,) = told(dtype, declared, observed).warnings
    assert words in warning


@pytest.mark.parametrize(
    ("dtype", "declared", "observed"),
    [("uint16", (0, 4095), (3, 4000)), ("uint16", (0, 65535), (0, 60000)), ("uint8", (0, 255), (0, 140))],
)
def test_a_range_that_fits_is_not_mentioned(
    dtype: str, declared: tuple[float, float], observed: tuple[float, float]
) -> None:
    assert not told(dtype, declared, observed).warnings


def test_what_does_not_fit_is_a_shortage() -> None:
    assert told("uint8", (0, 255), (0, 255)).shortage is None
    found = told("uint8", (0, 255), (0, 255), memory=5 * 10**9, disk=2000).shortage
    assert isinstance(found, ResourceError)
    assert "2 kB of disk, found 1 kB free" in str(found)
    assert "GB of memory, found 1 GB" in str(found)


def test_live_tensors_are_counted_until_they_go() -> None:
    with LiveTensors() as memory:
        a = torch.zeros(1000)
        view = a[:10].reshape(2, 5)
        assert memory.live == 4000
        b = torch.zeros(500, dtype=torch.float64)
        assert memory.live == 8000
        del a
        assert memory.live == 8000, "a view holds it"
        del view, b
        assert memory.live == 0
        torch.ones(10).add_(1)
    assert memory.peak == 8000


def test_live_tensors_include_what_a_backward_pass_needs() -> None:
    weight = torch.ones(100, requires_grad=True)
    with LiveTensors() as memory:
        loss = weight.exp().exp().sum()
        before = memory.live
        torch.autograd.grad(loss, weight)
    assert before >= 2 * 400
    assert memory.peak >= 3 * 400


def test_a_line_goes_through_both_points_and_never_falls() -> None:
    assert line((4, 1), (10, 4), 4) == 10
    assert line((4, 1), (10, 4), 1) == 4
    assert line((4, 1), (10, 4), 64) == 130
    assert line((4, 1), (4, 10), 64) == 4
    assert line((2, 2), (10, 10), 6) == 30


def test_sizes_and_durations_are_readable() -> None:
    assert [size(n) for n in (0, 999, 1500, 123_456_789, 5 * 10**12)] == ["0 B", "999 B", "1.5 kB", "123 MB", "5 TB"]
    assert [duration(s) for s in (0.5, 90, 600, 7200, 200_000)] == ["0.5 s", "90 s", "10 min", "2 h", "2.31 days"]
    assert (memory_total() or 10**9) > 10**8
