"""A few clicks on an embedding that was learned without labels."""

# %% [markdown]
# # How far do a few clicks carry?
#
# Five small fields of nuclei are simulated. An encoder learns from two of them, without labels, to describe each voxel.
# Then a linear head is told 8 and 32 clicks, on what it learned and on an encoder that learned nothing.

# %%
import aliter

fit = {"steps": 150, "size": 128, "rate": 1.0e-2, "decay": 3.0e-2, "save_every": 150, "keep": 1, "threads": 1}
config = {
    "workflow": "embeddings",
    "images": {"simulate": "nuclei", "count": 5, "size": 96, "seed": 0},
    "points": {"count": 32},
    "contrast": {
        "views": {"size": [60, 60], "density": 0.1},
        "objective": {"kind": "contrast", "negatives": "batch", "ignore_px": 5},
        "fit": {"steps": 60, "size": 2, "rate": 3.0e-3, "judge_every": 30, "save_every": 30, "threads": 1},
    },
    "embed": {"features": ["embedding", "random"]},
    "segment": {
        "clicks": [8, 32],
        "learners": [
            {"kind": "head", "hidden": [], "fit": fit},
            {"kind": "head", "hidden": [], "features": ["random"], "fit": fit},
        ],
    },
    "report": {"fields": 1},
}

# %%
run = aliter.run(config)
for figure in run.figures()["validate"]:
    print(f"{figure.name}: {figure.value:.3f}")

# %% [markdown]
# Everything is an array of the run: the clicks, the embedding, what was predicted, the objects that were made of it.

# %%
print(run["points/at"].shape, run["features/embedding"].shape, run["objects/embedding, head/32"].shape)
