"""Memory that runs out (11): the batch is learned in parts and stays as large as the plan says."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.errors import Interrupted, ResourceError
from aliter.core.rng import chance
from aliter.data.kept import Kept
from aliter.data.run import Run
from aliter.methods.objective import Classify, StarGAN
from aliter.nets.blocks import initialise
from aliter.nets.stargan import LogitResidual, StarGANSpec
from aliter.train.fit import Game, fit
from aliter.train.plan import Fit

MakeGame = Callable[[], Game]
MakeRun = Callable[[str], Run]

FULL = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: error code 12"),
    MemoryError("Unable to allocate 3.1 GiB for an array"),
)


def limited(made: Game, most: int, error: BaseException = FULL[0], layer: int = -1) -> Game:
    """Return ``made``, its network raising ``error`` above ``most`` images, in the module at ``layer``."""

    def allocate(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if len(given[0]) > most:
            raise error

    list(made.nets["net"].children())[layer].register_forward_pre_hook(allocate)
    return made


def plan(size: int = 8, steps: int = 4) -> Fit:
    return Fit(steps=steps, size=size, rate=1e-2, threads=1, save_every=2, log_every=1)


def state(run: Run) -> Kept:
    found = run.kept("net")
    assert found is not None
    return found


@pytest.mark.parametrize(("size", "most", "parts"), [(8, 8, 1), (8, 5, 2), (8, 2, 4), (7, 5, 2), (7, 3, 3), (6, 2, 3)])
@pytest.mark.parametrize("error", FULL, ids=["cuda", "cpu", "numpy"])
def test_parts_make_the_step_that_the_whole_batch_makes(
    size: int, most: int, parts: int, error: BaseException, game: MakeGame, run_at: MakeRun
) -> None:
    whole, split = run_at("whole"), run_at("split")
    fit(game(), plan(size), whole, "net")
    fit(limited(game(), most, error), plan(size), split, "net")
    a, b = state(whole), state(split)
    assert (a.step, b.step) == (4, 4)
    assert b.facts["parts"] == parts
    for name, value in a.tensors.items():
        assert torch.allclose(value, b.tensors[name], rtol=1e-3, atol=1e-6), name
    for one, two in zip(whole.metrics(), split.metrics(), strict=True):
        assert one["fit/square"] == pytest.approx(two["fit/square"], rel=1e-4)


def test_it_is_logged_once_for_each_halving(game: MakeGame, run_at: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    fit(limited(game(), 2), plan(), run_at("split"), "net")
    said = [record.getMessage() for record in caplog.records if "memory ran out" in record.getMessage()]
    assert [one.partition("a batch of ")[2][:27] for one in said] == [
        "8 is learned in 2 parts, gr",
        "8 is learned in 4 parts, gr",
    ]


@pytest.mark.parametrize(("size", "fewest"), [(1, 1), (2, 2), (8, 2), (5, 2)])
def test_when_the_smallest_part_is_too_large_it_says_so(
    size: int, fewest: int, game: MakeGame, run_at: MakeRun
) -> None:
    run = run_at("full")
    with pytest.raises(ResourceError, match=rf"net, step 0: memory ran out with {fewest} images.*smaller") as caught:
        fit(limited(game(), 0), plan(size), run, "net")
    assert caught.value.code == 4
    assert state(run).step == 0


def test_a_failed_attempt_leaves_no_trace_in_batch_statistics(game: MakeGame, run_at: MakeRun) -> None:
    made = replace(game(), nets={"net": nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))})
    run = run_at("norm")
    fit(limited(made, 4), plan(), run, "net")
    assert int(state(run).tensors["net/net/0.num_batches_tracked"]) == 4 * 2


def test_a_resumed_fit_goes_on_in_parts(game: MakeGame, run_at: MakeRun) -> None:
    whole, stopped = run_at("whole"), run_at("stopped")
    fit(limited(game(), 4), plan(), whole, "net")
    stopped.stopping.set()
    with pytest.raises(Interrupted):
        fit(limited(game(), 4), plan(), stopped, "net")
    stopped.stopping.clear()
    fit(game(), plan(), stopped, "net")
    assert state(stopped).facts["parts"] == 2
    assert all(torch.equal(value, state(stopped).tensors[name]) for name, value in state(whole).tensors.items())


def test_memory_that_runs_out_elsewhere_is_a_sentence_too(game: MakeGame, run_at: MakeRun) -> None:
    def judge(*_: object) -> dict[str, float]:
        raise FULL[1]

    with pytest.raises(ResourceError, match=r"net: memory ran out .*DefaultCPUAllocator.*; use a smaller") as caught:
        fit(replace(game(), judge=judge), plan(), run_at("judged"), "net")
    assert caught.value.code == 4


def test_other_errors_pass_through(game: MakeGame, run_at: MakeRun) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fit(limited(game(), 0, RuntimeError("shapes cannot be multiplied")), plan(), run_at("wrong"), "net")


@given(st.integers(2, 30), st.data())
def test_a_split_holds_every_image_once_and_halves_stay_halves(size: int, data: st.DataObject) -> None:
    batch = Batch(3, tuple(map(str, range(size))), 0, {"x": torch.arange(size), "rate": torch.tensor(2.0)})
    parts = batch.split(data.draw(st.integers(1, size // 2)))
    assert sorted(row for part in parts for row in part["x"].tolist()) == list(range(size))
    for part in parts:
        assert list(part.ids) == [str(row) for row in part["x"].tolist()]
        half = len(part.ids) // 2
        assert half >= 1
        assert all((row < size // 2) == (place < half) for place, row in enumerate(part["x"].tolist()))
        assert part["rate"] == 2
    assert len({part.chance("a").random() for part in parts}) == len(parts)
    assert parts[0].chance("a").random() == batch.chance("a").random()


@pytest.mark.parametrize("passes", ["published", "shared"])
@pytest.mark.parametrize("size", [4, 5])
def test_halves_with_styles_of_their_own_keep_them(passes: str, size: int) -> None:
    objective = StarGAN.model_validate({"passes": passes, "flip": 0.0, "diversity": 0.5})
    nets = StarGANSpec(width=4, cap=4, style=3, latent=3, mapping=4, output=LogitResidual()).build(1, 16, 3)
    initialise(nets, seed=0)
    nets = {name: net.double() for name, net in nets.items()}
    rng = chance(0, "batch")
    images = {
        name: torch.from_numpy(rng.uniform(-1, 1, (size, 1, 16, 16))) for name in ("x", "reference", "reference2")
    }
    latents = {name: torch.from_numpy(rng.standard_normal((size, 3))) for name in ("z", "z2")}
    classes = {name: torch.from_numpy(rng.integers(0, 3, size)) for name in ("y", "target")}
    batch = Batch(0, tuple(map(str, range(size))), 0, images | latents | classes)
    for turn in objective.turns:
        parameters = [parameter for name in turn.moves for parameter in nets[name].parameters()]
        total: list[Tensor] = [torch.zeros_like(parameter) for parameter in parameters]
        for part in batch.split(2):
            loss = len(part.ids) / size * turn.combine(objective.losses(turn, nets, part), parameters)
            for one, more in zip(total, _gradients(loss, parameters), strict=True):
                one += more
        wanted = _gradients(turn.combine(objective.losses(turn, nets, batch), parameters), parameters)
        for one, other in zip(total, wanted, strict=True):
            assert torch.allclose(one, other, rtol=1e-5, atol=1e-7), turn.name


def _gradients(loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [torch.zeros_like(one) if value is None else value for one, value in zip(parameters, found, strict=True)]


def test_parts_of_a_batch_are_not_changed_alike() -> None:
    images = torch.zeros(8, 1, 8, 8)
    batch = Batch(0, tuple(map(str, range(8))), 0, {"x": images})
    first, second = (Classify(noise_sd=0.1).augment(part) for part in batch.split(2))
    assert not torch.equal(first, second)
