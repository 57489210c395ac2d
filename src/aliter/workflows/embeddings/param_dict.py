"""Contraband's ``param_dict.json``: lists of options that span a grid, as configs of this workflow."""

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from aliter.core.errors import ConfigError

_log = logging.getLogger(__name__)
Options = dict[str, Any]
Values = dict[str, Any]

_PIPELINES: dict[str, Values] = {
    "contrastive": {},
    "standard": {"seg_head": "SimpleSegHead"},
    "sparse_sh": {"seg_head": "Sparse"},
    "baseline_sparse_sh": {"seg_head": "Sparse", "baseline": True},
}
_TYPOS = {"basline": "baseline"}
_LISTS = {"dataset", "thresholds"}
"""Keys whose single values are lists."""
_SILENT = {"data_file", "dataset", "optimizer", "model", "in_channels", "elastic", "blur", "simple", "noise"}
_ANGLE = re.compile(r"(-?)(\d*\.?\d*)\s*\*?\s*pi\s*(?:/\s*(\d+\.?\d*))?")
_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")|#[^\n]*', re.DOTALL)
_TRAILING = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)


def imported(path: Path) -> list[tuple[Values, Values]]:
    """Return each run that a ``param_dict.json`` asks for: what it differs in, and the values of its config.

    Every combination of the options of ``contrastive`` and of the ``model``s, the model fastest, and for each of them
    every combination of ``seg``; the last key is fastest. A mapping or a list among the options is one of them. What
    this package does not know, or does otherwise, is warned of.

    Raises
    ------
    ConfigError
        If it is no such file, or asks for what does not exist here.
    """
    given = _parsed(path)
    options = _listed(given["contrastive"], path, "contrastive") | {"model": _models(given, path)}
    seg = _listed(given.get("seg", {}), path, "seg")
    clicks = [count for count in seg.get("num_points", [128]) if isinstance(count, int)]
    said = _PIPELINES.get(given.get("pipeline", ""))
    if said is None:
        _warn(path, f"pipeline: {given.get('pipeline')!r} is unknown; seg_head and baseline choose")
    found = []
    for above in _grid(options, path):
        for below in _grid(seg, path):
            chosen = {**(said or {}), **below}
            values = _config(above, chosen, max(clicks, default=128), path)
            learns = "seg" in given and given.get("pipeline") != "contrastive"
            values["segment"] = values["segment"] if learns else {"learners": []}
            varied = {f"contrastive.{key}": above[key] for key in above if len(options[key]) > 1}
            varied |= {f"seg.{key}": below[key] for key in below if len(seg[key]) > 1}
            if "contrastive.model" in varied:
                varied["contrastive.model"] = options["model"].index(above["model"])
            found.append((varied, values))
    return found


def angle(said: float | str) -> float:
    """Return an angle in radians that may be written with pi, as in "pi / 2".

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(said, str) and (match := _ANGLE.fullmatch(said.strip())):
        sign, factor, divisor = match.groups()
        return (-1 if sign else 1) * float(factor or 1) * math.pi / float(divisor or 1)
    return float(said)


def _parsed(path: Path) -> dict[str, Any]:
    """Return what the file says, without its comments, commas before brackets, and known typos."""
    text = _QUOTED.sub(lambda match: match[1] or "", path.read_text(encoding="utf-8"))
    text = _TRAILING.sub(lambda match: match[1] or "", text)
    try:
        given = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: expected JSON, found {error.msg}; correct the line") from error
    if not isinstance(given, dict) or not {"contrastive", "model"} <= given.keys():
        raise ConfigError(f"{path}: expected the blocks contrastive and model of a param_dict.json; found none")
    for block in given.values():
        for typo, meant in _TYPOS.items():
            if isinstance(block, dict) and typo in block:
                _warn(path, f"{typo}: read as {meant}")
                block[meant] = block.pop(typo)
    if "save_embs" in given:
        _warn(path, "save_embs: not needed; every field is embedded")
    return given


def _listed(block: Mapping[str, Any], path: Path, name: str) -> Options:
    """Return the options of each key; what is no list is the only one."""
    found = {}
    for key, value in block.items():
        flat = isinstance(value, list) and key in _LISTS and not any(isinstance(one, list | dict) for one in value)
        if not isinstance(value, list) or flat:
            _warn(path, f"{name}.{key}: expected a list of options, found {value!r}; it is the only one")
            value = [value]
        found[key] = value
    return found


def _models(given: Mapping[str, Any], path: Path) -> list[Any]:
    models = given["model"] if isinstance(given["model"], list) else [given["model"]]
    for one in models:
        if one.get("model", "unet") != "unet":
            raise ConfigError(f"{path}: model.model: expected unet, found {one['model']!r}; there is no other")
    return models


def _grid(options: Options, path: Path) -> list[Values]:
    for key, values in options.items():
        if not values:
            raise ConfigError(f"{path}: {key}: expected one or more options, found none; give some or leave it out")
    return [dict(zip(options, chosen, strict=True)) for chosen in product(*options.values())]


def _config(above: Values, below: Values, clicks: int, path: Path) -> Values:
    """Return the values of one config."""
    data = above.get("data_file", path.parent)
    low_high = {"range": [0.0, 1 / above["norm_factor"]]} if "norm_factor" in above else {}
    if below.get("norm_factor", above.get("norm_factor")) != above.get("norm_factor"):
        _warn(path, "seg.norm_factor: that of contrastive holds for both")
    validation: Values = {"thresholds": below["thresholds"]} if "thresholds" in below else {}
    if not below.get("has_background", True):
        validation["affinity_watershed"] = {"background_px": None}
    _unknown(above, {*_CONTRASTIVE, *_SILENT, "norm_factor", "num_iterations", "save_every", "lr"}, "contrastive", path)
    _unknown(below, {*_SEG, *_SILENT, *_CONTRASTIVE}, "seg", path)
    return {
        "workflow": "embeddings",
        "images": data,
        **low_high,
        "points": {"count": clicks},
        "contrast": _contrast(above, path),
        "segment": {"clicks": [below.get("num_points", clicks)], "learners": [_learner(above["model"], below, path)]},
        "validation": validation,
    }


def _contrast(above: Values, path: Path) -> Values:
    model = above["model"]
    net: Values = {}
    for theirs, (ours, convert) in _MODEL.items():
        if theirs in model:
            net[ours] = convert(model[theirs])
    for side in ("down", "up"):
        if f"kernel_size_{side}" in model:
            net[side] = model[f"kernel_size_{side}"] * int(model.get(f"kernel_size_{side}_repeated", 1))
    for key in model.keys() - {*_MODEL, *_KERNELS, *_SILENT, "in_shape", "contrastive_out_channels"}:
        _warn(path, f"model.{key}: not known here; left out")
    found: Values = {
        "net": net,
        "views": _views(above, path),
        "objective": {"kind": "contrast", **({"temperature": above["temperature"]} if "temperature" in above else {})},
        "fit": {"size": 1, **_plan(above, path, "judge_every")},
    }
    if "contrastive_out_channels" in model:
        found["projection"] = model["contrastive_out_channels"]
    if "in_shape" in model:
        found["views"]["size"] = model["in_shape"]
    return found


def _views(above: Values, path: Path) -> Values:
    """Return what views differ in; an augmentation that is not named is off."""
    views: Values = {"shift_px": 0, "rotation": False, "mirror": False, "contrast": 0, "brightness": 0}
    elastic = above.get("elastic_params", {}) if above.get("elastic") else {}
    views["elastic_px"] = max(elastic.get("jitter_sigma", [0]))
    if "control_point_spacing" in elastic:
        views["spacing_px"] = max(elastic["control_point_spacing"])
    low, high = (angle(one) for one in elastic.get("rotation_interval", (0, 0)))
    simple = above.get("simple_params", {}) if above.get("simple") else {}
    if low != high:
        views["rotation"] = True
        _warn(path, f"rotation_interval: {low:.4g} to {high:.4g} there; any angle here")
    elif simple.get("transpose_only"):
        _warn(path, "transpose_only: not here without rotation; left out")
    views["mirror"] = bool(simple.get("mirror_only"))
    views["blur_px"] = max(above.get("blur_params", {}).get("sigma", [0])) if above.get("blur") else 0
    # Variances there are of intensities from 0 to 1, deviations here of those from -1 to 1.
    views["noise"] = 2 * math.sqrt(above.get("noise_params", {}).get("var", 0)) if above.get("noise") else 0
    if "point_density" in above:
        views["density"] = above["point_density"]
    return views


def _learner(model: Values, below: Values, path: Path) -> Values:
    """Return who segments: heads on the embedding or on one that learned nothing, or a network from scratch."""
    head, baseline = below.get("seg_head", "Sparse"), bool(below.get("baseline", False))
    if head not in ("Sparse", "SimpleSegHead"):
        raise ConfigError(f"{path}: seg.seg_head: expected Sparse or SimpleSegHead, found {head!r}; name one of them")
    if baseline and head != "Sparse":
        _warn(path, "seg.seg_head: a baseline learns from clicks, as it always did; Sparse it is")
    features = int(model.get("h_channels", 12))
    plan = _plan(below, path, "log_every") | ({"size": below["batch_size"]} if "batch_size" in below else {})
    learner: Values = {"hidden": [features], **({"fit": plan} if "steps" in plan else {})}
    if baseline and not below.get("freeze_base", False):
        return {"kind": "net", **learner}
    if baseline:
        return {"kind": "head", "features": ["random"], **learner}
    return {"kind": "head" if head == "Sparse" else "affinities", **learner}


def _plan(block: Values, path: Path, every: str) -> Values:
    """Return how long and how fast to learn."""
    if block.get("optimizer", "adam") != "adam":
        raise ConfigError(f"{path}: optimizer: expected adam, found {block['optimizer']!r}; there is no other")
    plan: Values = {}
    for theirs, ours in (("num_iterations", "steps"), ("lr", "rate"), ("save_every", "save_every")):
        if theirs in block:
            plan[ours] = block[theirs]
    if "save_every" in plan:
        plan[every] = plan["save_every"]
    return plan


def _unknown(block: Values, known: set[str], name: str, path: Path) -> None:
    for key in block.keys() - known:
        _warn(path, f"{name}.{key}: not known here; left out")


def _warn(path: Path, text: str) -> None:
    _log.warning("%s: %s", path, text)


def _same(value: Any) -> Any:
    return value


_MODEL: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "num_fmaps": ("width", _same),
    "fmap_inc_factors": ("growth", _same),
    "downsample_factors": ("factors", _same),
    "constant_upsample": ("upsample", lambda value: "constant" if value else "transposed"),
    "h_channels": ("features", _same),
}
_KERNELS = {f"kernel_size_{side}{end}" for side in ("down", "up") for end in ("", "_repeated")}
_AUGMENTATIONS = {"elastic_params", "blur_params", "simple_params", "noise_params"}
_CONTRASTIVE = {*_AUGMENTATIONS, "point_density", "temperature"}
_SEG = {
    *("baseline", "freeze_base", "seg_head", "batch_size", "lr", "num_iterations", "save_every", "thresholds"),
    *("norm_factor", "seg_out_channels", "has_background", "num_points"),
}
