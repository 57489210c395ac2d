"""A small run of the boundary workflow from Python, and what it found."""

# %% [markdown]
# # What can a classifier not decide?
#
# Real handwritten 7 and 1, eight pixels a side, that come inside a package. A small classifier learns to tell them
# apart; a generator learns to draw them, then learns on until the classifier is undecided.

# %%
import numpy as np

import aliter

short = {"size": 64, "threads": 1}
config = {
    "workflow": "boundary",
    "images": {"digits": "small", "classes": [7, 1]},
    "classify": {
        "nets": {"cnn": {"kind": "pool_cnn", "width": 4}},
        "fit": {"steps": 200, "rate": 5.0e-3, "judge_every": 50, "best": ["log_likelihood"], **short},
    },
    "measure": {
        "net": {"kind": "small_cnn", "width": 8, "depth": 2},
        "fit": {"steps": 100, "rate": 2.0e-3, "judge_every": 50, "best": ["log_likelihood"], **short},
        "count": 200,
    },
    "pretrain": {
        "net": {"kind": "dcgan", "width": 8, "depth": 2, "latent": 16},
        "fit": {"steps": 300, "rate": 1.0e-3, "betas": [0.5, 0.999], "judge_every": 50, **short},
    },
    "confuse": {"fit": {"steps": 150, "rate": 1.0e-3, "betas": [0.5, 0.999], "judge_every": 25, **short}},
    "select": {"count": 400},
    "compare": {"count": 30, "tries": 2000, "iterations": 10},
    "embed": {"reduce": {"kind": "pca"}, "map": {"kind": "pca", "dimensions": 2}},
    "cluster": {"resamples": 3},
}
run = aliter.run(config)

# %% [markdown]
# Every stage answers for its figures. Step 1 draws what the classifier is sure of; step 2 what it is not.

# %%
for stage in ("classify", "select"):
    for figure in run.figures()[stage]:
        print(f"{figure.name}: {figure.value:.3f}")

# %% [markdown]
# What lies in the band, and in which groups. A prototype stands for each group; its walk shows what would decide it.

# %%
p = run["step2/probability"][:, 0]
labels = run["clusters/label"]
print(f"{np.mean((p >= 0.4) & (p <= 0.6)):.0%} of {len(p)} images in the band, in groups of {np.bincount(labels)}")
curve = run["prototypes/curve"][0]
print(np.round(curve[np.isfinite(curve[:, 0])][::8], 2))

# %% [markdown]
# The first prototype, as rows of ink.

# %%
ink = (run["prototypes/image"][0, 0] + 1) / 2
print("\n".join("".join(" .:-=+*#%@"[int(9.99 * value)] for value in row) for row in ink))
