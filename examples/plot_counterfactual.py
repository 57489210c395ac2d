"""A small run from Python, and one pair of images explained."""

# %% [markdown]
# # What would have to change for the classifier to call this cell otherwise?
#
# Sixty small cells of either class are simulated: few or many aggregates. A classifier learns to tell them apart.
# The simulator knows how each cell would have looked as the other class, so nothing has to be generated here; with
# images of your own a generator is trained in between, or `pairs:` names pairs that you already have.

# %%
import aliter
from aliter.methods.attribution.integrated_gradients import IntegratedGradients
from aliter.methods.attribution.residual import Residual
from aliter.methods.walk.mask_sweep import MaskSweep
from aliter.nets.own import Own

config = {
    "workflow": "counterfactual",
    "images": {"simulate": "fictus", "count": 60, "size": 32, "factors": ["aggregates"], "seed": 0},
    "classify": {
        "net": {"kind": "small_cnn", "width": 8},
        "fit": {"steps": 60, "size": 16, "rate": 5.0e-3, "judge_every": 20, "best": ["accuracy"], "threads": 1},
    },
    "generate": {"kinds": [], "pairs": ["plain"]},
    "attribute": {"discriminative": [{"kind": "integrated_gradients"}, {"kind": "random"}]},
    "evaluate": {"sweep": {"close_px": 5, "blur_sigma_px": 1.0, "steps": 50}},
}

# %% [markdown]
# The same call again does nothing: what is done stays done until something that it read has changed.

# %%
run = aliter.run(config)
for stage, figures in run.figures().items():
    for figure in figures:
        print(f"{stage}: {figure.name} {figure.value:.3f}")

# %% [markdown]
# Everything is an array of the run. Images keep their own type; networks see their range on [-1, 1].

# %%
low, high = run.array("images/0").attrs["range"]
x = (run["images/0"][0].astype("float32") - low) * (2 / (high - low)) - 1
counterfactual = run["plain/generated/0_1"][0, 0]

# %% [markdown]
# One pair, explained by two methods. The classifier is read from the copy that needs PyTorch alone, as any
# model of your own would be: such a file is code, so loading it takes trust. The score is the area
# under the change of its answer, over the share of the image that was replaced: 1 would be at once, 0 not at all.

# %%
model = Own(path=run.path / "models" / "classifier.pt")
probe = model.load(x.shape, run.facts["classes"], trust=True)
sweep = MaskSweep(close_px=5, blur_sigma_px=1.0, steps=50)
explanations = aliter.explain(x, counterfactual, probe, (IntegratedGradients(), Residual()), sweep, source=0, target=1)
for one in explanations:
    print(f"{one.method}: score {one.score:.3f}, {one.mask.mean():.1%} of the image replaced")

# %%
explanations[0]
