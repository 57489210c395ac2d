"""Learn to draw what the detector's frozen body sees; measure how much of it survives."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from jaxtyping import Float32, Int
from pydantic import Field
from torch import nn

from aliter.core.batch import Batch, Draw
from aliter.core.errors import AliterError, DataError
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.run import Figure, Run
from aliter.data.tiles import Tiles
from aliter.methods.objective.reconstruct import Reconstruct
from aliter.nets.blocks import initialise
from aliter.nets.decoder import DecoderSpec, Encoder, Upsampling
from aliter.nets.detections import Detector
from aliter.ops.detection import iou
from aliter.ops.intensity import ssim
from aliter.train.fit import Game, Judge, fit, recall
from aliter.train.plan import Fit
from aliter.workflows.concepts.detect import detector_of, found_of
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.judge import SAME, Found
from aliter.workflows.concepts.words import words_of

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

_BATCH = 8


class Decoding(Spec):
    """The decoder and how it learns."""

    stage: Annotated[int, Field(ge=1, le=4)] = 2
    """Stage of the body whose maps are decoded; an earlier one gives sharper images."""
    layer: str | None = None
    """Of a classifier: the name of the layer instead, such as ``backbone.block1``."""
    net: DecoderSpec = Upsampling()
    objective: Reconstruct = Reconstruct()
    fit: Fit = Fit(steps=600, size=8, rate=2e-3, judge_every=100, save_every=100, keep=1)
    floor: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the detections that must still be found in what was drawn, before any walk is shown."""

    @property
    def at(self) -> int | str:
        """Where the maps are that are decoded."""
        return self.stage if self.layer is None else self.layer


def decode(config: "Config", run: Run) -> None:
    """Fit the decoder on the frozen encoder; compare images, and detections, with what was drawn of them."""
    choice, tiles = config.decode, tiles_of(run)
    detector = detector_of(config, run)
    nets = _nets(choice, detector, tiles.shape[0])
    before = fingerprint(detector)
    game = Game(choice.objective, nets, _draws(tiles), _judge(tiles, run.device))
    fit(game, choice.fit, run, "decoder")
    if fingerprint(detector) != before:
        raise AliterError("the frozen encoder has changed while the decoder learned")
    decoder = decoder_of(config, run, detector)
    drawn = _drawn(decoder, detector, choice.at, tiles, tiles.split("test"))
    run.save("drawn/test", drawn, ("index", "channel", "y", "x"))
    figures = _figures(tiles, drawn)
    agreement, more = _agreement(detector, drawn, tiles, found_of(run, "test", run.facts["threshold"]))
    run.describe({"agreement": agreement, "encoder": before})
    run.record([*figures, *more])


def decoder_of(config: "Config", run: Run, detector: Detector) -> nn.Module:
    """Return the decoder that ``decode`` trained, still."""
    nets = _nets(config.decode, detector, tiles_of(run).shape[0])
    recall({"decoder": nets["decoder"]}, run, "decoder")
    return nets["decoder"].to(run.device)


def require_agreement(config: "Config", run: Run) -> None:
    """Refuse to walk in images in which the detector does not find what it found.

    Raises
    ------
    DataError
        With the remedy.
    """
    agreement, floor = run.facts["agreement"], config.decode.floor
    if agreement < floor:
        raise DataError(
            f"expected {floor:.0%} of {words_of(tiles_of(run)).found} to be found in what was drawn, found "
            f"{agreement:.0%}; raise decode.objective.features, decode an earlier layer, let decode learn for longer, "
            "or lower decode.floor"
        )


def fingerprint(net: nn.Module) -> str:
    """Return a hash of all parameters and buffers of ``net``."""
    digest = blake2b(digest_size=16)
    for name, value in net.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _nets(choice: Decoding, detector: Detector, colours: int) -> dict[str, nn.Module]:
    decoder = choice.net.build(*detector.grid(choice.at), colours)
    initialise({"decoder": decoder}, choice.fit.seed)
    return {"encoder": Encoder(detector, choice.at), "decoder": decoder}


def _draws(tiles: Tiles) -> Draw:
    train = tiles.split("train")

    def draw(seed: int, step: int, size: int) -> Batch:
        numbers = chance(seed, "step", step, "tiles").choice(train, size)
        x = torch.from_numpy(tiles.signed(numbers))
        return Batch(step, tuple(tiles.ids[number] for number in numbers), seed, {"x": x})

    return draw


def _judge(tiles: Tiles, device: str) -> Judge:
    numbers = tiles.split("val")[:64]
    plain = _psnr(_error(_flat(tiles.signed(numbers)), tiles.signed(numbers)))

    def figures(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        errors = []
        for start in range(0, len(numbers), _BATCH):
            x = torch.from_numpy(tiles.signed(numbers[start : start + _BATCH])).to(device)
            drawn = nets["decoder"](nets["encoder"](x), x.shape[-1])
            errors.append(((drawn - x) / 2).square().mean((1, 2, 3)))
        error = float(torch.cat(errors).mean())
        return {"validation loss": 4 * error, "PSNR": _psnr(error), "PSNR of mean colours": plain}

    return figures


@torch.no_grad()
def _drawn(
    decoder: nn.Module, detector: Detector, at: int | str, tiles: Tiles, numbers: Int[np.ndarray, " N"]
) -> Float32[np.ndarray, "N C H W"]:
    """Return what is drawn of these tiles, in [-1, 1]."""
    encoder = Encoder(detector, at)
    parts = []
    device = next(detector.parameters()).device
    for start in range(0, len(numbers), _BATCH):
        x = torch.from_numpy(tiles.signed(numbers[start : start + _BATCH])).to(device)
        parts.append(decoder(encoder(x), x.shape[-1]).cpu().numpy())
    return np.concatenate(parts)


def _flat(x: Float32[np.ndarray, "N C H W"]) -> Float32[np.ndarray, "N C 1 1"]:
    """Return the mean colour of each image: the best that one colour can do."""
    found: np.ndarray = x.mean(axis=(2, 3), keepdims=True)
    return found


def _error(drawn: np.ndarray, x: np.ndarray) -> float:
    """Return the mean square error on the scale from 0 to 1."""
    return float(np.square((drawn - x) / 2, dtype=np.float64).mean())


def _psnr(error: float) -> float:
    return float(-10 * np.log10(max(error, 1e-12)))


def _figures(tiles: Tiles, drawn: Float32[np.ndarray, "N C H W"]) -> list[Figure]:
    x = tiles.signed(tiles.split("test"))
    psnr, plain = _psnr(_error(drawn, x)), _psnr(_error(_flat(x), x))
    similar = [
        ssim(np.moveaxis(a, 0, -1).mean(-1), np.moveaxis(b, 0, -1).mean(-1), 2.0) for a, b in zip(x, drawn, strict=True)
    ]
    tile = words_of(tiles).tile
    return [
        Figure("PSNR", psnr, len(x), note=f"dB, of what is drawn, over all {tile}s for testing"),
        Figure("PSNR of mean colours", plain, len(x), note=f"dB, each {tile} in its own mean colour"),
        Figure("PSNR above mean colours", psnr - plain, len(x), note="dB"),
        Figure("SSIM", float(np.mean(similar)), len(x), note="of the mean of the channels"),
    ]


def _agreement(
    net: Detector, drawn: Float32[np.ndarray, "N C H W"], tiles: Tiles, found: Found
) -> tuple[float, list[Figure]]:
    """Return the share of detections that are found again in what was drawn, and how their scores moved."""
    numbers = tiles.split("test").tolist()
    scores = []
    device = next(net.parameters()).device
    for place, number in enumerate(numbers):
        mine = found.where(found.tile == number)
        if not len(mine.tile):
            continue
        again = net.detect(torch.from_numpy(drawn[place : place + 1]).to(device))[0]
        overlap = iou(mine.corners, again.corners.cpu().numpy())
        there = np.where(overlap >= SAME, again.scores.cpu().numpy()[None], 0.0)
        scores += there.max(axis=1, initial=0.0).tolist()
    threshold = float(found.scores.min()) if len(found.scores) else 0.0
    matched = np.array(scores)
    share = float((matched >= threshold).mean()) if len(matched) else 0.0
    change = float((matched - found.scores).mean()) if len(matched) else 0.0
    whole = tiles.figure is not None
    return share, [
        Figure(
            words_of(tiles).again,
            share,
            len(matched),
            note=f"in what was drawn, {'' if whole else 'IoU 0.5, '}same threshold",
        ),
        Figure("change of score when drawn", change, len(matched), note="mean; the score is 0 where none is found"),
    ]
