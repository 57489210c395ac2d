"""The page in a real browser, from a file, without a network: Chromium, driven through its debugging pipe."""

import csv
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image

from aliter.methods.walk.mask_sweep import MaskSweep
from aliter.report.counterfactual import Explained, explained_gallery
from aliter.report.gallery import Gallery, Item, Look, Map
from aliter.report.page import Page, Provenance, Section, write_page
from aliter.report.pictures import Picture, Pictures, gif, label_colours

pytestmark = pytest.mark.browser

EVIL = "<script>alert(1)</script>"
CLASSES = ("round", "long", EVIL)
SIZE = 24
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run --hide-scrollbars --remote-debugging-pipe"
)


AT_3_AND_4 = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for place, end in zip((3, 4), ends):
    os.dup2(end, place)
    os.close(end)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads its orders from descriptor 3 and answers on 4."""


class Browser:
    """One page of Chromium; it speaks JSON through two pipes, so nothing but the standard library is needed."""

    def __init__(self, profile: Path):
        found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
        command = next((path for path in found if path), None)
        if command is None:
            pytest.fail("expected Chromium to test the report with, found none; install it: apt-get install chromium")
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", AT_3_AND_4, str(theirs_in), str(theirs_out)),
                *(command, *FLAGS.split(), f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest, self._count, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []

    def attach(self) -> None:
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._in], [], [], 60)[0], "the browser did not answer within a minute"
            part = os.read(self._in, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)

    def evaluate(self, code: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, code: str) -> Any:
        """Wait for ``code`` to be true; return its value."""
        end = time.monotonic() + 20
        while not (value := self.evaluate(code)):
            assert time.monotonic() < end, f"never true: {code}"
            time.sleep(0.03)
        return value

    def open(self, path: Path, state: str = "", width: int = 1400, height: int = 1000) -> None:
        """Open a page anew, in the state that its address says, and wait until its images are there."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank'")
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri() + (f"#{state}" if state else ""))
        self.until("document.documentElement?.dataset.ready === 'yes'")
        if state.startswith("item="):
            self.until("document.querySelector('.viewer[open] .pane canvas')?.width > 1")
        else:
            self.evaluate("document.querySelector('.cards')?.scrollIntoView()")
            self.until("document.querySelectorAll('.cards .ready, .nothing').length > 0")

    def press(self, key: str) -> None:
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        code = {" ": "Space"}.get(key, key)
        number = {"Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowRight": 39}.get(key, ord(key.upper()[0]))
        parameters = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", **parameters, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **parameters)
        self.evaluate("new Promise((done) => setTimeout(done, 60))")

    def complaints(self) -> list[dict[str, Any]]:
        """Return what the console holds: errors, warnings, violations of the policy, exceptions."""
        self.evaluate("0")
        calls = [one for one in self.events if one.get("method") == "Runtime.consoleAPICalled"]
        others = [one for one in self.events if one.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]
        dialogs = [one for one in self.events if one.get("method") == "Page.javascriptDialogOpening"]
        return calls + others + dialogs

    def close(self) -> None:
        self._session = ""
        try:
            self.call("Browser.close")
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._in)
            os.close(self._out)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(tmp_path_factory.mktemp("profile"))
    try:
        one.attach()
        yield one
    finally:
        one.close()


def blob(y: float, x: float, width: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / width)


def explained(number: int) -> Explained:
    """A query with one blob; its counterfactual has another, on the side that tells how far to believe it."""
    rng = np.random.default_rng(number)
    base = np.stack([blob(*rng.uniform(0.3, 0.7, 2), 0.02), blob(0.5, 0.5, 0.05)])
    query = np.clip(0.6 * base + 0.03 * rng.random(base.shape), 0, 1).astype(np.float32)
    added = blob(*rng.uniform(0.2, 0.8, 2), 0.01)
    generated = np.clip(query + np.stack([0.5 * added, 0 * added]), 0, 1).astype(np.float32)
    attribution = np.stack([added, 0.2 * added]).astype(np.float16)
    source, target = number % 3, (number + 1) % 3

    def score(x: torch.Tensor) -> torch.Tensor:
        moved = (x - torch.from_numpy(query)).abs().sum((1, 2, 3)) / 10
        share = 0.05 + 0.9 * torch.tanh(moved)
        rest = (1 - share) / 2
        return torch.stack([share if k == target else rest for k in range(3)], dim=1)

    tensors = [torch.from_numpy(each) for each in (query, generated, attribution.astype(np.float32))]
    sweep = MaskSweep(steps=20, close_px=3)
    walk = sweep(score, *tensors, target)
    place = len(walk.t) // 2
    mask = sweep.mask(tensors[2], float(walk.setting[place]))
    hybrid = sweep.hybrid(tensors[0], tensors[1], mask)
    shares = tuple(score(each[None])[0].numpy() for each in (tensors[0], hybrid, tensors[1]))
    return Explained(
        f"test/{EVIL}/{number}.tif",
        source,
        target,
        ("residual", "integrated_gradients")[number % 2],
        "latent",
        0,
        query,
        hybrid.numpy(),
        generated,
        mask.numpy(),
        (np.eye(3)[source], *shares[1:]),
        np.stack([walk.setting, walk.t, walk.change(target)], axis=1),
        float(walk.setting[place]),
        number / 40,
        number % 5 != 0,
        number,
        attribution,
        mask.numpy()[:, ::-1].copy(),
    )


def write(folder: Path, depth: int, one_file_bytes: int) -> Path:
    look = Look(("light", EVIL), (0.0, 1000.0), colours=("#ffffff", "#ff00ff"), depth=depth, pixel_um=0.5)
    gallery = explained_gallery(map(explained, range(40)), look, CLASSES, MaskSweep(close_px=3))
    page = Page(
        EVIL, EVIL, "counterfactual", {EVIL: EVIL}, (Section(EVIL, (gallery,)),), Provenance(EVIL, {EVIL: EVIL})
    )
    return write_page(page, folder, one_file_bytes)


def frames(number: int) -> Item:
    """Another kind of item: no mask, one channel, and a walk that is its own frames."""
    start = np.full((1, SIZE, 2 * SIZE), 0.2)
    walk = np.stack([start + 0.1 * number + 0.1 * step for step in range(4)])
    return Item(
        id=f"walk {number}",
        title=f"concept {number}",
        subtitle="",
        facets={"concept": str(number)},
        numbers={"strength": float(number)},
        frames={"image": walk[0], "shifted": walk[-1]},
        curve=np.stack([np.arange(4.0), np.arange(4.0) / 4], axis=1),
        walk=walk,
    )


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    look = Look(("light", "other"), (0.0, 1.0))
    first = explained_gallery(map(explained, range(3)), look, CLASSES, MaskSweep(close_px=3))
    second = Gallery(map(frames, range(4)), Look(("grey",), (0.0, 1.0)), ("image", "shifted"), axes=("shift", "score"))
    sections = (Section("First", (first,)), Section("Second", (second,)))
    return write_page(Page("Two", "Two.", "concepts", {}, sections, Provenance("", {})), tmp_path_factory.mktemp("two"))


def stack(number: int) -> Item:
    """A volume of three planes, each of a brightness of its own, with labels that touch each other."""
    labels = np.zeros((1, 3, SIZE, SIZE), int)
    labels[:, :, 4:12, 4:12], labels[:, :, 4:12, 12:20] = 1, 2
    image = np.broadcast_to(np.array([40, 120, 200])[:, None, None] / 255, labels.shape[1:])[None]
    return Item(
        id=f"stack {number}",
        title=f"stack {number}",
        subtitle="",
        facets={"cluster": f"group {number % 3}", "kind": "odd" if number % 2 else "even"},
        numbers={"score": number / 9},
        frames={"image": image},
        paintings={"labels": label_colours(labels[0])},
        outlines={"cells": labels},
        place=(number % 3, number // 3),
    )


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    look, chart = Look(("grey",), (0.0, 255.0)), Map(("first", "second"), "cluster")
    moving = Picture(gif(np.stack([np.full((8, 8), level, np.uint8) for level in (0, 200)])), EVIL)
    tiles = Gallery((Item(f"tile {n}", "", "", {}, {}, {"image": np.zeros((1, 8, 8))}) for n in range(3)), look)
    sections = (
        Section("Volumes", (Gallery(map(stack, range(9)), look, map=chart),)),
        Section("Still", (tiles, Pictures([moving]))),
    )
    page = Page("Three", "Three.", "embeddings", {}, sections, Provenance("", {}))
    return write_page(page, tmp_path_factory.mktemp("three"))


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("one & only #1%"), 8, 1 << 30)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("many"), 16, 0)


def identity(number: int) -> str:
    one = explained(number)
    return quote(f"latent/{one.method}/{one.source}_{one.target}/{one.id}/0", safe="")


SCORES = "[...document.querySelectorAll('.cards .score')].map((one) => Number(one.textContent))"
COUNT = "document.querySelector('.count').textContent"
TITLE = "document.querySelector('.viewer[open] h2')?.textContent ?? null"


def levels(browser: Browser, canvas: str) -> np.ndarray:
    """Return the red values of a canvas, one for each pixel of the image it shows."""
    code = f"""(() => {{
      const canvas = {canvas};
      const context = canvas.getContext("2d");
      const {{ data }} = context.getImageData(0, 0, canvas.width, canvas.height);
      const found = [];
      for (let y = 0; y < {SIZE}; y++) for (let x = 0; x < {SIZE}; x++) {{
        const row = Math.floor((y + 0.5) * canvas.height / {SIZE});
        const column = Math.floor((x + 0.5) * canvas.width / {SIZE});
        found.push(data[4 * (row * canvas.width + column)]);
      }}
      return found;
    }})()"""
    return np.array(browser.evaluate(code)).reshape(SIZE, SIZE)


@pytest.mark.parametrize("kind", ["single", "beside"])
def test_it_opens_from_a_file_and_nothing_complains(browser, kind, request):
    browser.open(request.getfixturevalue(kind))
    browser.until("document.querySelectorAll('.cards .ready').length >= 6")
    assert browser.evaluate(COUNT) == "40 explanations"
    scores = browser.evaluate(SCORES)
    assert len(scores) == 24
    assert scores == sorted(scores, reverse=True)
    assert browser.complaints() == []
    assert (
        browser.evaluate(
            "performance.getEntriesByType('resource').map((one) => one.name)"
            ".filter((name) => !name.startsWith('file:'))"
        )
        == []
    )


def test_the_policy_bites(browser, single):
    browser.open(single)
    browser.evaluate("""(() => {
      window.stopped = [];
      document.addEventListener("securitypolicyviolation", (event) => window.stopped.push(event.effectiveDirective));
      const script = document.createElement("script");
      script.textContent = "window.intruder = true";
      document.body.append(script);
      const image = new Image();
      image.src = "file:///nowhere.png";
      document.body.append(image);
      document.body.setAttribute("onclick", "window.intruder = true");
      document.body.click();
    })()""")
    browser.until("window.stopped.length >= 3")
    assert set(browser.evaluate("window.stopped")) == {"script-src-elem", "img-src", "script-src-attr"}
    assert browser.evaluate("window.intruder === undefined")


def test_names_stay_text(browser, single):
    browser.open(single, f"item={identity(2)}")
    assert browser.evaluate("document.title") == f"{EVIL} · aliter"
    assert browser.evaluate(TITLE) == f"{EVIL} → round"
    assert EVIL in browser.evaluate("document.querySelector('.bars').textContent")
    assert EVIL in browser.evaluate("document.querySelector('.aside .facts').textContent")
    assert browser.complaints() == []


def test_filters_live_in_the_address(browser, single):
    browser.open(single, f"source={quote(EVIL)}&method=residual")
    expected = [n for n in range(40) if n % 3 == 2 and n % 2 == 0]
    assert browser.evaluate(COUNT).startswith(f"{len(expected)} of 40")
    assert browser.evaluate(SCORES) == [round(n / 40, 2) for n in sorted(expected, reverse=True)]
    browser.open(single, "score=0.3..0.5&sort=score:up")
    assert browser.evaluate(SCORES) == [pytest.approx(n / 40, abs=0.006) for n in range(12, 21)]
    browser.open(single, "converted=no")
    assert browser.evaluate(COUNT).startswith("8 of 40")
    browser.until("document.querySelectorAll('.cards .badge').length >= 6")
    assert "conversion failed" in browser.evaluate("document.querySelector('.badge').textContent")
    browser.open(single, "source=round&target=round")
    assert browser.evaluate("document.querySelector('.nothing').textContent").startswith("No explanations")
    browser.open(single, "source=nothing-like-it&page=99&view=x&channel=y&window=1&item=z&sort=a:b&score=a..b")
    assert browser.evaluate(COUNT) == "40 explanations"
    assert browser.complaints() == []


def test_choosing_a_filter_changes_the_address(browser, single):
    browser.open(single)
    browser.evaluate("""(() => {
      const select = document.querySelector(".filters select");
      select.value = "1";
      select.dispatchEvent(new Event("change"));
    })()""")
    assert browser.evaluate(COUNT).startswith("13 of 40")
    browser.until("location.hash === '#source=long'")


def test_a_changed_address_changes_the_page(browser, single):
    browser.open(single)
    browser.evaluate("location.hash = 'source=long&page=2'")
    browser.until("document.querySelector('.count').textContent.startsWith('13 of 40')")


def test_keys_open_step_and_close(browser, single):
    browser.open(single)
    browser.press("j")
    browser.press("ArrowRight")
    assert browser.evaluate("[...document.querySelectorAll('.card')].indexOf(document.activeElement)") == 1
    browser.press("Enter")
    browser.until("document.querySelector('.viewer[open] .viewer-place')?.textContent === '2 of 40'")
    browser.until("location.hash.includes('item=')")
    browser.press("k")
    browser.until("document.querySelector('.viewer-place').textContent === '1 of 40'")
    browser.press("ArrowLeft")
    browser.press("ArrowRight")
    browser.until("document.querySelector('.viewer-place').textContent === '2 of 40'")
    browser.press("Escape")
    browser.until("document.querySelector('.viewer[open]') === null")
    assert browser.evaluate("[...document.querySelectorAll('.card')].indexOf(document.activeElement)") == 1
    browser.until("!location.hash.includes('item=')")
    browser.press("]")
    browser.until("document.querySelectorAll('.card').length === 16")
    browser.press("?")
    assert browser.evaluate("document.querySelector('.help').open")
    browser.press("?")
    assert not browser.evaluate("document.querySelector('.help').open")
    assert browser.complaints() == []


def test_back_closes_the_item(browser, single):
    browser.open(single)
    browser.press("j")
    browser.press("Enter")
    browser.until("document.querySelector('.viewer[open] .pane canvas') !== null")
    browser.evaluate("history.back()")
    browser.until("document.querySelector('.viewer[open]') === null")


def test_outlines_go_and_come(browser, single):
    browser.open(single, f"item={identity(7)}")
    pane = "document.querySelector('.pane canvas')"
    shown = browser.evaluate(f"{pane}.toDataURL()")
    browser.press("m")
    browser.until("location.hash.includes('hide=mask')")
    without = browser.evaluate(f"{pane}.toDataURL()")
    assert without != shown
    browser.press("t")
    browser.until("decodeURIComponent(location.hash).includes('hide=mask,truth')")
    assert browser.evaluate(f"{pane}.toDataURL()") not in (shown, without)
    browser.press("m")
    browser.press("t")
    browser.until("!location.hash.includes('hide')")
    assert browser.evaluate(f"{pane}.toDataURL()") == shown


def test_it_blinks_only_when_asked(browser, single):
    browser.open(single, f"item={identity(7)}&view=blink&hide=mask,truth")
    pane = "document.querySelector('.pane canvas').toDataURL()"
    still = browser.evaluate(pane)
    browser.evaluate("new Promise((done) => setTimeout(done, 700))")
    assert browser.evaluate(pane) == still
    browser.press(" ")
    browser.until(f"{pane} !== '{still}'")
    browser.press(" ")
    stopped = browser.evaluate(pane)
    browser.evaluate("new Promise((done) => setTimeout(done, 700))")
    assert browser.evaluate(pane) == stopped


@pytest.mark.parametrize(("kind", "top"), [("single", 255), ("beside", 65535)])
def test_pixels_are_the_very_values(browser, kind, top, request):
    one = explained(39)
    browser.open(request.getfixturevalue(kind), "channel=light&hide=mask")
    browser.until("document.querySelector('.cards .ready')")
    for place, image in enumerate((one.query, one.hybrid, one.generated)):
        expected = np.rint(255 * np.rint(image[0] * top) / top)
        found = levels(browser, f"document.querySelectorAll('.card canvas')[{place}]")
        assert np.abs(found - expected).max() <= (0 if top == 255 else 1)
        assert expected.std() > 10


def test_contrast_is_shared_and_linear(browser, single):
    one = explained(39)
    browser.open(single, "channel=light&hide=mask&window=100..400_0..1000")
    expected = 255 * np.clip((1000 * np.rint(one.query[0] * 255) / 255 - 100) / 300, 0, 1)
    found = levels(browser, "document.querySelector('.card canvas')")
    assert np.abs(found - expected).max() <= 1
    assert "light 100 to 400" in browser.evaluate("document.querySelector('.range-note').textContent")
    browser.press("r")
    browser.until("!location.hash.includes('window')")
    assert "light 0 to 1000" in browser.evaluate("document.querySelector('.range-note').textContent")


def test_the_walk_stops_at_the_hybrid_and_ends_at_both_images(browser, single):
    one = explained(7)
    last = len(one.curve) - 1
    state = f"item={identity(7)}&view=walk&channel=light&hide=mask,truth"
    for at, image in ((None, one.hybrid), (0, one.query), (last, one.generated)):
        browser.open(single, state if at is None else f"{state}&at={at}")
        found = levels(browser, "document.querySelector('.pane canvas')")[:20]
        assert np.abs(found - 255 * image[0, :20]).max() <= 2
    assert np.abs(one.hybrid - one.generated).max() > 0.05


def test_the_difference_is_signed_and_its_bar_says_how_far(browser, single):
    browser.open(single, f"item={identity(7)}&channel=light&hide=mask,truth&limit=0.5")
    difference = explained(7).generated[0] - explained(7).query[0]
    found = levels(browser, "document.querySelectorAll('.pane canvas')[3]")
    clear = np.s_[:18]
    assert (found[clear][difference[clear] > 0.1] > 30).all()
    assert (found[clear][difference[clear] < 0.004] < 8).all()
    assert "−500 darker" in browser.evaluate("document.querySelector('.colour-ticks').textContent")


@pytest.mark.parametrize("view", ["side", "wipe", "blink", "walk"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1400, 1000), (3000, 1700)])
def test_it_fits_phone_desk_and_wall(browser, single, view, width, height):
    browser.open(single, f"item={identity(7)}&view={view}", width, height)
    browser.evaluate("new Promise((done) => setTimeout(done, 150))")
    wide = "document.querySelector('.viewer').scrollWidth"
    assert browser.evaluate(wide) <= width
    box = browser.evaluate("JSON.stringify(document.querySelector('.pane').getBoundingClientRect())")
    pane = json.loads(box)
    assert pane["width"] >= (150 if width == 390 else 300)
    if width > 1000:
        bottoms = browser.evaluate(
            "[...document.querySelectorAll('.pane')].map((p) => p.getBoundingClientRect().bottom)"
        )
        assert max(bottoms) <= height
    assert browser.complaints() == []


def test_the_phone_has_no_sideways_scroll(browser, single):
    browser.open(single, "", 390, 844)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390


def test_galleries_of_one_page_do_not_disturb_each_other(browser, several):
    browser.open(several, "1.concept=2&source=round")
    counts = browser.evaluate("[...document.querySelectorAll('.count')].map((one) => one.textContent.split(' ')[0])")
    assert counts == ["1", "1"]
    assert browser.complaints() == []


def test_a_walk_of_frames_is_played(browser, several):
    browser.open(several, f"1.item={quote('walk 1')}&1.view=walk&1.at=2")
    browser.until("document.querySelector('.viewer[open] .pane canvas')?.width > 1")
    code = """(() => {
      const canvas = document.querySelector(".viewer[open] .pane canvas");
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      return copy.getImageData(4, 4, 1, 1).data[0];
    })()"""
    browser.until(f"{code} === {round(255 * 0.5)}")
    assert "shift 2, score 0.5" in browser.evaluate("document.querySelector('.viewer[open] figcaption').textContent")
    browser.press("p")
    browser.until(f"{code} === {round(255 * 0.6)}")
    assert browser.complaints() == []


def test_a_volume_is_looked_at_plane_by_plane(browser, volumes):
    browser.open(volumes, "item=stack%204&hide=cells")
    pane = "document.querySelector('.viewer[open] .pane canvas')"
    browser.until("document.querySelector('.plane-line output')?.textContent === '2 of 3'")
    assert np.unique(levels(browser, pane)).tolist() == [120]
    browser.press(".")
    browser.until("document.querySelector('.plane-line output').textContent === '3 of 3'")
    browser.until("location.hash.includes('plane=2')")
    assert np.unique(levels(browser, pane)).tolist() == [200]
    browser.press(".")
    browser.press(",")
    browser.press(",")
    browser.until("document.querySelector('.plane-line output').textContent === '1 of 3'")
    assert np.unique(levels(browser, pane)).tolist() == [40]
    browser.open(volumes, "item=stack%204&plane=2&view=wipe&hide=cells")
    browser.until("document.querySelector('.plane-line output')?.textContent === '3 of 3'")
    found = levels(browser, pane)
    assert np.unique(found[:, : SIZE // 2 - 1]).tolist() == [200]
    painted = label_colours(np.arange(3))[:, 0]
    assert set(found[5:11, 13:19].ravel()) == {painted[2]}
    assert browser.complaints() == []


def test_labels_that_touch_have_an_outline_each(browser, volumes):
    browser.open(volumes, "item=stack%204")
    pane = "document.querySelector('.viewer[open] .pane canvas')"
    code = f"""(() => {{
      const canvas = {pane};
      const row = Math.round(canvas.height * 8 / {SIZE});
      const {{ data }} = canvas.getContext("2d").getImageData(0, row, canvas.width, 1);
      const found = [];
      for (let x = 0; x < canvas.width; x++) if (data[4 * x] > 170) found.push(x * {SIZE} / canvas.width);
      return found;
    }})()"""
    browser.until(f"{code}.length > 0")
    edges = np.array(browser.evaluate(code))
    assert {round(edge) for edge in edges} == {4, 12, 20}


def test_a_gallery_without_comparison_subtracts_nothing(browser, volumes):
    browser.open(volumes, "item=stack%204")
    assert browser.evaluate("document.querySelectorAll('.viewer[open] .pane').length") == 2
    browser.open(volumes, "1.item=tile%200&1.view=wipe")
    browser.until("document.querySelectorAll('.viewer[open] .pane').length === 1")
    assert browser.evaluate("document.querySelector('.viewer[open] .modes').textContent") == ""
    browser.press("w")
    browser.press(" ")
    assert browser.complaints() == []


def test_a_point_of_the_map_opens_its_item(browser, volumes):
    browser.open(volumes, "kind=odd&colour=kind")
    assert browser.evaluate("[...document.querySelectorAll('.map-key li')].map((one) => one.textContent)") == [
        "even (0)",
        "odd (4)",
    ]
    browser.evaluate("document.querySelector('.map').scrollIntoView()")
    box = browser.evaluate("document.querySelector('.map').getBoundingClientRect().toJSON()")
    scale = min(box["width"] - 40, box["height"] - 40) / 2
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 - scale
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    browser.until(f"{TITLE} === 'stack 7'")
    browser.until("location.hash.includes('item=stack+7')")
    assert browser.complaints() == []


def test_pictures_are_shown_without_a_network(browser, volumes):
    browser.open(volumes)
    browser.until("document.querySelector('.pictures img').naturalWidth === 8")
    assert browser.evaluate("document.querySelector('.pictures img').alt") == EVIL
    assert browser.complaints() == []


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    images = rng.random((64, 1, 32, 32), np.float32)

    def items() -> Iterator[Item]:
        for number in range(5000):
            query, other = images[number % 64], images[(number + 1) % 64]
            facets = {"source": f"class {number % 4}", "method": f"method {number % 7}"}
            yield Item(
                f"test/{number}", "a → b", "", facets, {"score": number / 5000}, {"query": query, "generated": other}
            )

    gallery = Gallery(items(), Look(("grey",), (0.0, 255.0)), ("query", "generated"))
    page = Page("Many", "Many.", "counterfactual", {}, (Section("All", (gallery,)),), Provenance("", {}))
    return write_page(page, tmp_path_factory.mktemp("5000"))


def heap(browser: Browser) -> float:
    """Return the megabytes that the scripts of the page hold."""
    browser.call("HeapProfiler.collectGarbage")
    return browser.call("Runtime.getHeapUsage")["usedSize"] / 2**20


@pytest.mark.slow
def test_five_thousand_items_are_shown_at_once_and_memory_is_bounded(browser, many):
    browser.open(many)
    paint = "performance.getEntriesByType('paint').find((one) => one.name === 'first-contentful-paint')?.startTime"
    assert browser.until(paint) < 2000
    assert browser.evaluate(COUNT) == "5,000 images"
    assert browser.evaluate("document.querySelectorAll('.card').length") <= 24
    for _ in range(6):
        browser.press("]")
        browser.until("document.querySelectorAll('.cards .ready').length >= 3")
    before = heap(browser)
    for _ in range(60):
        browser.press("]")
    browser.until("document.querySelectorAll('.cards .ready').length >= 3")
    assert heap(browser) < before + 20
    browser.open(many, "source=class%202&score=0.25..0.5")
    assert browser.evaluate(COUNT).startswith("313 of 5,000")
    assert browser.complaints() == []


LEFT = "document.querySelector('.judge[open] .judge-stage canvas')"
PLACE = "document.querySelector('.judge[open] .viewer-place')?.textContent"


def judged(browser: Browser, wanted: str) -> None:
    browser.until(f"{PLACE} === '{wanted}' && document.querySelector('.judge-stage canvas')?.width > 1")


def answers(browser: Browser, folder: Path) -> list[dict[str, str]]:
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.evaluate("document.querySelector('.save-answers').click()")
    end = time.monotonic() + 20
    while not (found := list(folder.glob("*.csv"))):
        assert time.monotonic() < end, "no answers were saved"
        time.sleep(0.05)
    with found[0].open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_reader_judges_without_names_and_scores(browser, single, tmp_path):
    browser.open(single, "source=round&blind=7")
    judged(browser, "1 of 14, seed 7")
    shown = browser.evaluate("document.querySelector('.judge[open]').textContent")
    for word in ("→ ", "score", "integrated", "query", "generated", "latent"):
        assert word not in shown
    seen = []
    for number in range(4):
        judged(browser, f"{number + 1} of 14, seed 7")
        seen.append(browser.evaluate(f"{LEFT}.toDataURL()"))
        browser.press(str(1 + number % 2))
        browser.press("y" if number else "n")
    judged(browser, "5 of 14, seed 7")
    browser.press("0")
    browser.press("n")
    rows = answers(browser, tmp_path)
    assert [row["order"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["answer"] for row in rows] == ["round", "long", "round", "long", "cannot say"]
    assert [row["second"] for row in rows] == ["no", "yes", "yes", "yes", "no"]
    assert len({row["item"] for row in rows}) == 5
    assert {row["first"] for row in rows} <= {"query", "generated"}
    for row in rows:
        assert row["truth"] == ("round" if row["first"] == "query" else "long")
        assert row["right"] == ("yes" if row["answer"] == row["truth"] else "no")
        assert row["source"] == "round"
        assert row["seed"] == "7"
    assert len(set(seen)) == 4
    assert browser.complaints() == []


def test_the_order_of_a_blinded_reader_hangs_on_the_seed_alone(browser, single):
    first = {}
    for seed in ("3", "3", "4"):
        browser.open(single, f"source=round&blind={seed}")
        judged(browser, f"1 of 14, seed {seed}")
        picture = browser.evaluate(f"{LEFT}.toDataURL()")
        assert first.setdefault(seed, picture) == picture
    browser.open(single, "source=round")
    browser.press("b")
    browser.until("location.hash.includes('blind=')")
    for _ in range(14):
        browser.press("ArrowRight")
    browser.until("document.querySelector('.judged')?.textContent.startsWith('0 of 14 judged')")
    browser.press("Escape")
    browser.until("!location.hash.includes('blind') && document.querySelector('.judge[open]') === null")
    assert browser.complaints() == []


def test_a_picture_can_be_saved(browser, single, tmp_path):
    browser.open(single, f"item={identity(7)}")
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.evaluate(
        "[...document.querySelectorAll('.tools button')].find((b) => b.textContent === 'Save picture').click()"
    )
    end = time.monotonic() + 20
    while not (found := list(tmp_path.glob("*.png"))):
        assert time.monotonic() < end, "no picture was saved"
        time.sleep(0.05)
    with Image.open(found[0]) as picture:
        assert picture.width > 4 * 200
    assert browser.complaints() == []
