"""A detector of planted figures: what it reacts to, and one detection made to vanish."""

# %% [markdown]
# # What does a detector react to?
#
# Seven small slides are simulated, with figures of four forms in boxes, and look-alikes. A detector learns to find the
# figures; segments around its detections are grouped by what its own layers make of them, and each group is tested.
# Then a detection is pushed along the gradient of its score, through a decoder, until its score is the target.

# %%
import json

import aliter

fit = {"steps": 80, "size": 4, "judge_every": 40, "save_every": 80, "keep": 1, "threads": 1}
config = {
    "workflow": "concepts",
    "images": {"simulate": "tissue", "count": 7, "size": 160, "figures": 5, "look_alikes": 3, "seed": 0},
    "tiles": {"side": 96, "overlap": 32},
    "detect": {
        "net": {"levels": [1, 2], "anchors_px": [16, 20, 32], "pyramid": 32, "head": 64, "proposals": 30},
        "fit": {**fit, "rate": 2.0e-3, "best": ["f1"]},
    },
    "discover": {
        "layers": ["backbone.body.layer1", "backbone.body.layer2"],
        "images": 24,
        "elsewhere": 40,
        "segments": {"window": 32, "counts": [4, 10]},
        "method": {"kind": "ace", "count": 10, "least": 5, "most": 20},
    },
    "score": {"sets": 10, "nulls": 200, "checks": 100, "controls": False},
    "decode": {"net": {"kind": "upsampling", "width": 32}, "fit": {**fit, "rate": 5.0e-3}, "floor": 0.0},
    "shift": {"detections": 2, "look_alikes": 1, "down": {"frames": 5}, "up": {"target": 0.8, "frames": 5}},
    "report": {"patches": 4, "tiles": 1, "moving": 2},
}

# %%
run = aliter.run(config)
for stage in ("detect", "decode", "shift"):
    for figure in run.figures()[stage]:
        print(f"{figure.name}: {figure.value:.3f}")

# %% [markdown]
# Each concept is ranked among sets of segments that are no concept. How often such a set passes a test by mistake is
# among the figures: the rank keeps what it promises.

# %%
for figure in run.figures()["score"]:
    print(f"{figure.name}: {figure.value:.3f}")

# %% [markdown]
# A walk is frames and scores, and every walk is a moving picture in the folder of the run.

# %%
first = sorted(run.path.glob("walks/grad/*/sweep.json"))[0]
print([round(step["matched"], 3) for step in json.loads(first.read_text())["steps"]])
print(sorted(path.parent.relative_to(run.path).as_posix() for path in run.path.glob("walks/*/*/walk.gif")))
