"""The virtual staining exercise: train, read the curves, judge, compare, sample."""

# %% [markdown]
# # Staining: an exercise in five parts
#
# From phase contrast to nuclei: a U-Net by regression, and a conditional GAN. Eight small simulated fields stand for an
# afternoon's data, so that all of it runs in a minute; the numbers here are those of networks that have hardly learned.
# With `configs/staining/demo.yaml` they are worth judging. Each part ends in a task; the cells below it are one answer.

# %%
import numpy as np

import aliter

fit = {"steps": 60, "size": 4, "judge_every": 20, "save_every": 60, "threads": 1}
config = {
    "workflow": "staining",
    "images": {"simulate": "phase", "count": 8, "size": 96, "seed": 0},
    "target": ["nuclei"],
    "regress": {
        "net": {"width": 8, "factors": [2, 2, 2], "norm": "instance", "padding": "same", "dropout": 0.2},
        "objective": {"loss": "mse"},
        "crop_px": 64,
        "fit": {**fit, "rate": 5.0e-3},
    },
    "translate": {
        "net": {"width": 8, "downs": 2, "blocks": 2},
        "discriminator": {"width": 8, "layers": 2},
        "crop_px": 64,
        "fit": {**fit, "rate": 1.0e-3, "betas": [0.5, 0.999]},
    },
    "predict": {"tile_px": 64, "overlap_px": 16},
    "doubt": {"draws": 6, "degrade": {"fields": 1}},
    "report": {"fields": 2},
}

# %% [markdown]
# ## Part 1: loaders and training
#
# `gather` makes the pairs and measures each channel over the fields to learn from; `regress` and `translate` draw
# crops, turned and mirrored, and learn. *Task: which parts of `config` are the generator, the discriminator, the crops?
# Set `translate.objective.matching` to 0 and to 100, and say beforehand what you expect.*

# %%
run = aliter.run(config)
for name, value in zip(("mean", "sd", "median"), run["statistics"][1], strict=False):
    print(f"nuclei, {name} over the fields to learn from: {value:.1f}")

# %% [markdown]
# ## Part 2: the curves of a run
#
# *Task: where would the discriminator's loss be if it could not tell real from drawn? What would its mean logit be, and
# is that a probability?*
#
# With least squares and K scales it is K/4, the logit one half, and no, it is not.

# %%
rows = [row for row in run.metrics("translate") if "D(real)" in row]
for row in rows:
    print(f"step {row['step']}: D(real) {row['D(real)']:.2f}, D(fake) {row['D(fake)']:.2f}")

# %% [markdown]
# ## Part 3: evaluation, by pixels and by objects
#
# *Task: a prediction with half the gain of the truth has a correlation of 1. Which of these scores notice?*

# %%
figures = {figure.name: figure for figure in run.figures()["evaluate"]}
for metric in ("PCC", "SSIM", "PSNR", "PSNR, fitted", "AP50", "invented", "missed"):
    values = [f"{name} {figures[f'{metric}, {name}'].value:.3f}" for name in ("regression", "gan", "oracle")]
    print(f"{metric}: {', '.join(values)}")

# %% [markdown]
# ## Part 4: regression against GAN
#
# *Task: why is a lower PSNR alone no defect of a GAN? By how much would a perfect sampler fall behind?*
#
# Its squared error is twice that of the mean it scatters about: 3.01 dB.

# %%
for metric in ("PCC", "PSNR", "sharpness", "AP50"):
    found = figures[f"{metric}, gan less regression"]
    print(f"{metric}: {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})")

# %% [markdown]
# ## Part 5: samples, and what they are worth
#
# Values dropped in the same share as in training give draws; their deviation is the network's doubt. *Task: why does an
# interval of two deviations hold far fewer than 95 % of pixels, and what repairs it?*
#
# Noise and chance of the dye are in no draw. A factor from fields of their own gives the intervals their size.

# %%
doubt = {figure.name: figure.value for figure in run.figures()["doubt"]}
for words in ("95 %, raw", "95 %, scaled", "95 %, conformal"):
    print(f"coverage of {words}: {doubt[f'coverage of {words}, gan']:.3f}")
print("draws kept, and the largest deviation:", run["doubt/gan/draws"].shape, f"{np.max(run['doubt/gan/sd']):.0f}")
