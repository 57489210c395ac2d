"""Detectors that find objects in boxes, open to be asked, differentiated and looked into."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from aliter.core.errors import DataError, RequestError
from aliter.core.rng import torch_seed
from aliter.core.spec import Spec
from aliter.nets.blocks import BatchNorm
from aliter.nets.detections import Detections, Detector
from aliter.ops.boxes import kept_boxes

MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the colours that ResNets are shown, by channel, on the scale from 0 to 1."""
_DEPTHS: Mapping[str, int] = {"resnet18": 1, "resnet34": 1, "resnet50": 4}
"""By how much the last channels of a stage exceed its width."""


class FasterRCNN(Spec):
    """Faster R-CNN on a residual network with a feature pyramid; all of it learns, its normalisations too.

    The defaults are small, for objects of about 20 pixels in tiles of 128. With ``levels: [1, 2, 3, 4]``, ``pyramid:
    256``, ``head: 1024``, ``ratios: [0.5, 1, 2]`` and ``norm: frozen`` it is torchvision's, and reads its weights.

    References
    ----------
    Ren et al. 2015, Faster R-CNN: towards real-time object detection with region proposal networks, arXiv:1506.01497.
    Lin et al. 2017, Feature pyramid networks for object detection, arXiv:1612.03144.
    """

    kind: Literal["faster_rcnn"] = "faster_rcnn"
    body: Literal["resnet18", "resnet34", "resnet50"] = "resnet18"
    norm: Literal["batch", "frozen"] = "batch"
    """``frozen`` normalises as the weights' file says and never learns: right only with weights."""
    levels: tuple[Annotated[int, Field(ge=1, le=4)], ...] = (2, 3)
    """Stages of the body that feed the pyramid; those behind the last are left out."""
    pyramid: PositiveInt = 64
    """Channels of the pyramid."""
    head: PositiveInt = 256
    """Features of a box."""
    anchors_px: tuple[PositiveFloat, ...] = (20.0, 32.0, 64.0)
    """Side of the anchors at each level, and at one more that is half as fine; in pixels of the network's input."""
    ratios: tuple[PositiveFloat, ...] = (1.0,)
    proposals: PositiveInt = 60
    """Places in an image that are looked at closely."""
    side: PositiveInt | None = None
    """Pixels a side at which images are shown to the network; as they are if None."""
    least: float = 0.05
    """Score below which nothing counts as found."""
    overlap: float = 0.3
    """Intersection over union above which two boxes are one object."""
    most: PositiveInt = 100
    """Objects in an image at most."""
    weights: Path | None = None
    """A file to start from, as torchvision writes it: .pth or .safetensors; a head for other classes is left out."""

    def build(self, classes: int, seed: int) -> "RegionDetector":
        """Return the network for ``classes``, background among them, its weights drawn from ``seed``.

        Raises
        ------
        RequestError
            If there is not one anchor for each level and one more, or the weights are those of another network.
        """
        if len(self.anchors_px) != len(self.levels) + 1:
            need = len(self.levels) + 1
            raise RequestError(f"anchors_px: expected {need} sizes, found {len(self.anchors_px)}; give one a level")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed, "detector"))
            net = RegionDetector(_parts(self, classes), self)
        if self.weights is not None:
            _load(net, self.weights)
        return net


class RegionDetector(Detector):
    """Finds objects where it was led to look: losses while it learns, detections with their proposals after.

    The network is torchvision's, part by part: names of layers and weights are the same.
    """

    rpn: Any
    roi_heads: Any

    def __init__(self, parts: Any, choice: FasterRCNN) -> None:
        super().__init__()
        self.backbone, self.rpn, self.roi_heads = parts.backbone, parts.rpn, parts.roi_heads
        self.choice = choice

    def prepare(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 h w"]:
        """Return images as the body sees them."""
        shown = normalise((x + 1) / 2)
        side = self.choice.side
        return shown if side is None else F.interpolate(shown, (side, side), mode="bilinear", align_corners=False)

    def zoom(self, x: Tensor) -> float:
        """Return by how much the body sees images larger than they are."""
        return 1.0 if self.choice.side is None else self.choice.side / x.shape[-1]

    def forward(self, x: Float[Tensor, "B 3 H W"], corners: Sequence[Float[Tensor, "_ 4"]]) -> dict[str, Tensor]:
        """Return the four losses for images with objects in these boxes; in training mode."""
        shown, features, sizes = self._features(x)
        boxes = [one * self.zoom(x) for one in corners]
        targets = [{"boxes": one, "labels": one.new_ones(len(one), dtype=torch.int64)} for one in boxes]
        proposals, found = self.rpn(shown, features, targets)
        _, more = self.roi_heads(features, proposals, sizes, targets)
        return {name.removeprefix("loss_"): value for name, value in (found | more).items()}

    def box_logits(self, x: Float[Tensor, "B 3 H W"], corners: Sequence[Float[Tensor, "_ 4"]]) -> Float[Tensor, "M K"]:
        """Return the logits of each class in each of these boxes of each image, in order; differentiable.

        What proposes boxes is not asked, so the answer exists whatever the image has become.
        """
        _, features, sizes = self._features(x)
        return self._classified(features, [one * self.zoom(x) for one in corners], sizes)[0]

    @torch.no_grad()
    def detect(self, x: Float[Tensor, "B 3 H W"]) -> list[Detections]:
        """Return what is found in each image; in eval mode."""
        shown, features, sizes = self._features(x)
        proposals, _ = self.rpn(shown, features)
        logits, shifts = self._classified(features, proposals, sizes)
        decoded = self.roi_heads.box_coder.decode(shifts, proposals)
        counts = [len(one) for one in proposals]
        parts = (torch.split(values, counts) for values in (logits, decoded))
        found = []
        for one, scored, boxes in zip(proposals, *parts, strict=True):
            kept = kept_boxes(boxes, scored.softmax(-1), sizes[0], self.choice)
            zoom = self.zoom(x)
            found.append(Detections(kept.corners / zoom, kept.scores, kept.labels, kept.source, one / zoom, scored))
        return found

    def body(self, at: int | str) -> nn.Sequential:
        """Return the body up to the end of a stage: the very modules of this network, under names of their own.

        Raises
        ------
        RequestError
            If the body does not have the stage.
        """
        stages = range(1, self._stage(at) + 1)
        wanted = ("conv1", "bn1", "relu", "maxpool", *(f"layer{number}" for number in stages))
        there: dict[str, nn.Module] = dict(self.backbone.body.named_children())
        if missing := [name for name in wanted if name not in there]:
            raise RequestError(f"expected a stage that the detector has, found {missing[0]}; raise its levels")
        return nn.Sequential(*(there[name] for name in wanted))

    def layer_at(self, at: int | str) -> str:
        """Return the name of the layer at the end of a stage."""
        return f"backbone.body.layer{self._stage(at)}"

    def grid(self, at: int | str) -> tuple[int, int]:
        """Return the channels that a stage gives, and the pixels a cell, of images as the body sees them."""
        return channels_of(self.choice, self._stage(at)), int(2 ** (self._stage(at) + 1))

    def _stage(self, at: int | str) -> int:
        if isinstance(at, str):
            raise RequestError(
                f"decode.layer: expected a stage of the detector, found '{at}'; set decode.stage instead"
            )
        return at

    def _features(self, x: Tensor) -> tuple[Any, dict[str, Tensor], list[tuple[int, int]]]:
        from torchvision.models.detection.image_list import ImageList

        shown = self.prepare(x)
        sizes = [(int(shown.shape[-2]), int(shown.shape[-1]))] * len(shown)
        return ImageList(shown, sizes), self.backbone(shown), sizes

    def _classified(
        self, features: Mapping[str, Tensor], boxes: Sequence[Tensor], sizes: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor]:
        pooled = self.roi_heads.box_roi_pool(features, list(boxes), sizes)
        logits, shifts = self.roi_heads.box_predictor(self.roi_heads.box_head(pooled))
        return logits, shifts


def normalise(x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Return colours from 0 to 1 as ResNets are shown them."""
    return (x - x.new_tensor(MEAN)[:, None, None]) / x.new_tensor(SD)[:, None, None]


def denormalise(x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Return the colours that ``normalise`` was given."""
    return x * x.new_tensor(SD)[:, None, None] + x.new_tensor(MEAN)[:, None, None]


def channels_of(choice: FasterRCNN, stage: int) -> int:
    """Return the channels that a stage of the body gives."""
    return int(32 * 2**stage) * _DEPTHS[choice.body]


def _parts(choice: FasterRCNN, classes: int) -> Any:
    from torchvision.models import resnet
    from torchvision.models.detection import FasterRCNN as Whole
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
    from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

    norm = BatchNorm if choice.norm == "batch" else FrozenBatchNorm2d
    body = getattr(resnet, choice.body)(weights=None, norm_layer=norm)
    backbone = _resnet_fpn_extractor(body, 5, list(choice.levels))
    if choice.pyramid != 256:
        from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

        widths = [channels_of(choice, stage) for stage in choice.levels]
        backbone.fpn = FeaturePyramidNetwork(widths, choice.pyramid, LastLevelMaxPool())
        backbone.out_channels = choice.pyramid
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

    names = [str(place) for place in range(len(choice.levels))]
    return Whole(
        backbone,
        rpn_anchor_generator=AnchorGenerator(
            tuple((one,) for one in choice.anchors_px), (tuple(choice.ratios),) * len(choice.anchors_px)
        ),
        rpn_pre_nms_top_n_train=4 * choice.proposals,
        rpn_pre_nms_top_n_test=4 * choice.proposals,
        rpn_post_nms_top_n_train=choice.proposals,
        rpn_post_nms_top_n_test=choice.proposals,
        box_roi_pool=MultiScaleRoIAlign(names, output_size=7, sampling_ratio=2),
        box_head=TwoMLPHead(choice.pyramid * 49, choice.head),
        box_predictor=FastRCNNPredictor(choice.head, classes),
        box_batch_size_per_image=64,
    )


def _load(net: RegionDetector, path: Path) -> None:
    """Copy the weights in ``path`` into ``net``; those of a head for other classes stay as drawn."""
    from aliter.nets.weights import read_weights

    given, wanted = read_weights(path), net.state_dict()
    heads = {name for name in wanted if "box_predictor" in name}
    wrong = [
        name
        for name in sorted(given.keys() | wanted.keys())
        if name not in heads and (name not in given or name not in wanted or given[name].shape != wanted[name].shape)
    ]
    if wrong := [name for name in wrong if not name.endswith("num_batches_tracked")]:
        raise DataError(
            f"{path}: expected weights of this detector, found others: {', '.join(wrong[:3])}; "
            "set body, levels, pyramid, head, anchors and norm as they were when it was trained"
        )
    fits = {name: given[name] for name in wanted if name in given and given[name].shape == wanted[name].shape}
    net.load_state_dict(wanted | fits)
