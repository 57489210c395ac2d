"""The one loop: play the turns of an objective, keep what a resumed run needs, stop rather than spoil."""

import copy
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from aliter.core.batch import Batch, Draw
from aliter.core.errors import Interrupted, ResourceError, RunError
from aliter.core.objective import Objective, Turn
from aliter.core.progress import progress
from aliter.core.rng import torch_seed
from aliter.data.kept import Kept
from aliter.data.run import Run
from aliter.train.checkpoint import assert_finite, assert_finite_terms, collect, restore
from aliter.train.clock import Clock
from aliter.train.memory import explaining_memory, lacks_memory
from aliter.train.optimizer import adam
from aliter.train.plan import Fit

_log = logging.getLogger(__name__)
_PRECISION: Mapping[str, Literal["32-true", "bf16-mixed"]] = {"32": "32-true", "bf16": "bf16-mixed"}

Judge = Callable[[Mapping[str, nn.Module], int], dict[str, float]]
"""``judge(nets, step)``: figures of the averaged networks, in eval mode, without gradients."""


@dataclass(frozen=True)
class Game:
    """What is played: an objective, its networks, the batches, and who judges."""

    objective: Objective
    nets: Mapping[str, nn.Module]
    draw: Draw
    judge: Judge | None = None


def fit(game: Game, plan: Fit, run: Run, name: str) -> None:
    """Play ``game`` to the end of ``plan``; on the way keep states in ``run`` under ``name``.

    If the run has kept a state of ``name``, it goes on from there; on a CPU with the same number of threads
    the result is, bit for bit, the one of a fit that never stopped. The best state by ``plan.best`` is kept
    as ``<name>-best``.

    Where memory runs out, batches are learned in twice as many parts from then on, their gradients added up by
    the number of images, so that the size of a batch stays what the plan says. The result then differs a little:
    parts draw chances of their own, and what is measured over a batch (batch normalisation, terms that compare its
    images with each other) is measured over a part. A part has two images at least, one of each half of the batch.

    Raises
    ------
    ResourceError
        If memory runs out on the smallest part, or outside the turns.
    DivergenceError
        At the first loss or weight that is not finite: names the term, the step and the images.
    Interrupted
        If ``run.stopping`` was set: a state was kept first.
    """
    with _threads(plan.threads), explaining_memory(name):
        player = _Player(game, plan, run, name)
        player.resume()
        player.play()


def recall(nets: Mapping[str, nn.Module], run: Run, name: str) -> int:
    """Load the kept weights of ``name`` into ``nets``, averages where they exist, and return their step.

    The best state is taken if one was chosen. Networks are left in eval mode, without gradients.
    """
    state = run.kept(f"{name}-best") or run.kept(name)
    if state is None:
        raise RunError(f"{run.path} holds no checkpoint of '{name}'; run the stage that fits it")
    tensors: dict[str, Tensor] = {}
    for net in nets:
        averaged = f"ema/{net}/"
        source = averaged if any(key.startswith(averaged) for key in state.tensors) else f"net/{net}/"
        found = {key[len(source) :]: value for key, value in state.tensors.items() if key.startswith(source)}
        tensors |= {f"net/{net}/{key}": value for key, value in found.items()}
    restore(tensors, nets, {}, {})
    for module in nets.values():
        module.eval().requires_grad_(False)
    return state.step


class _Player:
    """One fit on its way: networks, averages, optimisers, and how far it is."""

    def __init__(self, game: Game, plan: Fit, run: Run, name: str):
        from lightning_fabric import Fabric  # Takes seconds to load, and only those who learn need it.

        self.game, self.plan, self.run, self.name = game, plan, run, name
        self.fabric = Fabric(accelerator=run.device, devices=1, precision=_PRECISION[plan.precision])
        self.format = torch.channels_last if plan.channels_last else torch.preserve_format
        self.nets = {key: self.fabric.to_device(net.to(memory_format=self.format)) for key, net in game.nets.items()}
        moved = dict.fromkeys(key for turn in game.objective.turns for key in turn.moves)
        for key, net in self.nets.items():
            net.train(key in moved).requires_grad_(False)
        averaged = plan.ema.nets if plan.ema else ()
        self.averages = {key: copy.deepcopy(self.nets[key]).eval() for key in averaged}
        self.optimizers = {key: adam(self.nets[key], plan, key) for key in moved}
        self.rates = {key: one.param_groups[0]["lr"] for key, one in self.optimizers.items()}
        self.step = self.stale = 0
        self.end = plan.steps if run.most is None else min(plan.steps, run.most)
        self.parts = 1
        self.clock = Clock()
        # Where no accelerator has been used yet, torch.manual_seed notes its whole stack for each.
        self.chance = torch.default_generator if self.fabric.device.type == "cpu" else torch
        self.best: tuple[float, ...] = ()

    def resume(self) -> None:
        """Go back to the newest kept state; keep one of the start if there is none."""
        state = self.run.kept(self.name)
        if state is None:
            self.save()
            return
        restore(state.tensors, self.nets, self.averages, self.optimizers)
        self.step, self.stale = state.step, state.facts["stale"]
        self.parts = state.facts.get("parts", 1)
        self.best = tuple(state.facts["best"])
        self.run.rewind(state.facts["logged"], self.name)
        _log.info("%s: going on at step %d", self.name, self.step)

    def save(self) -> None:
        """Keep all that a resumed fit needs, unless something in it is not finite."""
        tensors = collect(self.nets, self.averages, self.optimizers)
        assert_finite(tensors, self.step)
        facts = {"logged": self.run.logged, "best": list(self.best), "stale": self.stale, "parts": self.parts}
        self.run.keep(self.name, Kept(tensors, self.step, facts), self.plan.keep)

    def play(self) -> None:
        """Play all steps that are left, the next batch being drawn while one is learned."""
        plan, first, clock = self.plan, self.step, self.clock
        with progress(self.name, self.end) as advance, ThreadPoolExecutor(1) as pool:
            advance(first, "")
            ahead = pool.submit(self.game.draw, plan.seed, first, plan.size)
            while self.step < self.end and not self.settled:
                with clock("step" if self.step > first else "first"):
                    batch = self.sent(ahead.result())
                    if self.step + 1 < self.end:
                        ahead = pool.submit(self.game.draw, plan.seed, self.step + 1, plan.size)
                    terms = self.play_step(batch)
                self.step += 1
                self.look_up(terms)
                advance(1, ", ".join(f"{key} {value:.3g}" for key, value in list(terms.items())[:2]))
        asked = plan.model_dump(include={"steps", "judge_every", "save_every", "keep"})
        self.run.time({"name": self.name, "steps": self.step - first, **clock.row(), "plan": asked})

    @property
    def settled(self) -> bool:
        """Whether the judge saw no new best for as long as the plan has patience."""
        return 0 < self.plan.patience <= self.stale

    def sent(self, batch: Batch) -> Batch:
        """Return ``batch`` on the device, images in the plan's memory format."""
        tensors = {
            key: self.fabric.to_device(value.to(memory_format=self.format) if value.ndim == 4 else value)
            for key, value in batch.tensors.items()
        }
        return replace(batch, tensors=tensors)

    def play_step(self, batch: Batch) -> dict[str, float]:
        """Play the turns that are due and move the averages; return the terms."""
        terms: dict[str, float] = {}
        for turn in self.game.objective.turns:
            if batch.step % turn.every == 0:
                terms |= self.play_turn(turn, batch)
        if self.plan.ema:
            decay = min(self.plan.ema.decay, (1 + batch.step) / (10 + batch.step))
            for key, average in self.averages.items():
                _approach(average, self.nets[key], 1 - decay)
        return terms

    def play_turn(self, turn: Turn, batch: Batch) -> dict[str, float]:
        """Let one turn change the weights it moves, and no others."""
        movers = [self.nets[key] for key in turn.moves]
        for net in movers:
            net.requires_grad_(True)
        terms = self.descend(turn, batch)
        for key in turn.moves:
            if self.plan.fall:
                self.optimizers[key].param_groups[0]["lr"] = self.rates[key] * self.plan.fall.factor(batch.step)
            self.optimizers[key].step()
            self.optimizers[key].zero_grad(set_to_none=True)
        for net in movers:
            net.requires_grad_(False)
        return terms

    def descend(self, turn: Turn, batch: Batch) -> dict[str, float]:
        """Leave the gradients of ``turn`` in the networks it moves, in as many parts as memory asks for."""
        buffers = [(buffer, buffer.clone()) for net in self.nets.values() for buffer in net.buffers()]
        while True:
            self.chance.manual_seed(torch_seed(self.plan.seed, batch.step, turn.name))
            try:
                return self.add_up(turn, batch.split(self.parts), len(batch.ids))
            except (RuntimeError, MemoryError) as error:
                if not lacks_memory(error):
                    raise
            # The failed attempt is out of scope here, so what it held is free again.
            self.halve(batch)
            for key in turn.moves:
                self.nets[key].zero_grad(set_to_none=True)
            for buffer, before in buffers:
                buffer.copy_(before)

    def add_up(self, turn: Turn, parts: Sequence[Batch], count: int) -> dict[str, float]:
        """Add the gradients of ``parts``, weighted by their share of ``count`` images; return the weighted terms."""
        parameters = [parameter for key in turn.moves for parameter in self.nets[key].parameters()]
        sums: dict[str, float] = {}
        for part in parts:
            share = len(part.ids) / count
            with self.fabric.autocast():
                losses = self.game.objective.losses(turn, self.nets, part)
                loss = turn.combine(losses, parameters)
            terms = {f"{turn.name}/{key}": float(value.detach()) for key, value in losses.items()}
            assert_finite_terms(terms, float(loss.detach()), part)
            self.fabric.backward(loss * share)
            sums = {key: sums.get(key, 0.0) + share * value for key, value in terms.items()}
        return sums

    def halve(self, batch: Batch) -> None:
        """Learn batches in twice as many parts from now on.

        Raises
        ------
        ResourceError
            If the parts are as small as can be.
        """
        smallest = len(batch.ids) // self.parts
        parts = min(2 * self.parts, len(batch.ids) // 2)
        if parts <= self.parts:
            raise ResourceError(
                f"{self.name}, step {batch.step}: memory ran out with {smallest} images at a time, the fewest that can "
                "be learned at once; use smaller images, a smaller network, or a machine with more memory"
            )
        self.parts = parts
        words = "%s, step %d: memory ran out; from here a batch of %d is learned in %d parts, gradients added up"
        _log.warning(words, self.name, batch.step, len(batch.ids), parts)
        torch.cuda.empty_cache()

    def look_up(self, terms: Mapping[str, float]) -> None:
        """Log, judge and save where the plan says so; stop if that was asked for."""
        plan, last = self.plan, self.step == self.end
        if self.step % plan.log_every == 0 or last:
            self.run.log({"name": self.name, "step": self.step, **terms})
        if self.game.judge and (self.step % plan.judge_every == 0 or last):
            with self.clock("judge"):
                self.judge(self.game.judge)
        stopping = self.run.stopping.is_set()
        if self.step % plan.save_every == 0 or last or self.settled or stopping:
            with self.clock("save"):
                self.save()
        if stopping and not last:
            raise Interrupted(
                f"{self.name} stopped at step {self.step} of {plan.steps}; the same command goes on from there"
            )

    def judge(self, judge: Judge) -> None:
        """Log what the judge finds; keep the state if it is the best so far."""
        nets = {**self.nets, **self.averages}
        modes = {key: net.training for key, net in nets.items()}
        with torch.no_grad():
            figures = judge({key: net.eval() for key, net in nets.items()}, self.step)
        for key, net in nets.items():
            net.train(modes[key])
        self.run.log({"name": self.name, "step": self.step, **figures})
        found = tuple(figures[key] for key in self.plan.best)
        self.stale += 1
        if found and all(map(math.isfinite, found)) and (not self.best or found > self.best):
            self.best, self.stale = found, 0
            tensors = collect(self.nets, self.averages, {})
            assert_finite(tensors, self.step)
            self.run.keep(f"{self.name}-best", Kept(tensors, self.step, figures), 1)


def _approach(average: nn.Module, net: nn.Module, weight: float) -> None:
    """Move the parameters of ``average`` towards those of ``net``; its buffers are copied."""
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), weight)
        for mine, theirs in zip(average.buffers(), net.buffers(), strict=True):
            mine.copy_(theirs)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
