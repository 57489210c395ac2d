// Keys

const KEYS = [
  ["In the gallery", [["← → or j k", "the card before, the card after"], ["Enter", "open it"], ["[ ]", "turn the page"], ["/", "to the filters"], ["b", "judge blind"]]],
  ["Judging blind", [["1 2 …", "the first class, the second, …"], ["0", "cannot say"], ["y n", "convincing, or not"], ["← →", "back, on"], ["Esc", "leave"]]],
  ["Looking closely", [["← → or j k", "the item before, the item after"], ["s w", "side by side, wipe"], ["space", "blink on and off; it is off at first"],
    ["p", "walk along the curve"], [", .", "the plane before, the plane after, of a volume"], ["+ − 0", "zoom in, out, reset"], ["Esc", "back to the gallery"]]],
  ["Everywhere", [["m", "mask outline on and off"], ["t", "the other outlines, such as the truth, on and off"], ["c", "next channel"], ["r", "reset contrast and zoom"], ["?", "this help"]]],
];

function helpDialog() {
  const dialog = make("dialog", { class: "help", "aria-label": "Keys" });
  dialog.append(make("h2", {}, "Keys"), ...KEYS.flatMap(([title, rows]) => [make("h3", {}, title),
    make("dl", {}, ...rows.map(([keys, text]) => make("div", {}, make("dt", {}, make("kbd", {}, keys)), make("dd", {}, text))))]),
  make("p", {}, "The address of this page always says what is shown: copy it to share a view."),
  make("button", { type: "button", on: { click: () => dialog.close() } }, "Close"));
  document.body.append(dialog);
  return dialog;
}

function moveCard(gallery, by) {
  const cards = gallery.shown.map((card) => card.button);
  const at = cards.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : cards.length - 1) : at + by;
  if (next < 0 && gallery.state.page > 1) { gallery.turn(-1); gallery.shown[gallery.shown.length - 1]?.button.focus(); }
  else if (next >= cards.length && gallery.state.page < gallery.pages) { gallery.turn(1); gallery.shown[0]?.button.focus(); }
  else cards[clamp(next, 0, cards.length - 1)]?.focus();
}

function columns(gallery) {
  const tops = gallery.shown.map((card) => card.node.offsetTop);
  return Math.max(1, tops.filter((top) => top === tops[0]).length);
}

function current() {
  return galleries.find((gallery) => gallery.state.item !== null)
    ?? galleries.find((gallery) => gallery.root.contains(document.activeElement)) ?? galleries[0];
}

const commonKeys = {
  m: (gallery) => { if (gallery.outlines.length) gallery.toggle(gallery.outlines[0]); },
  t: (gallery) => gallery.outlines.slice(1).forEach((name) => gallery.toggle(name)),
  r: (gallery) => gallery.resetLook(),
  c: (gallery) => {
    const { length } = gallery.index.look.channels;
    if (length < 2) return;
    const next = gallery.state.channel === null ? 0 : gallery.state.channel + 1;
    gallery.set({ channel: next < length ? next : null });
  },
};
const galleryKeys = {
  ArrowRight: (gallery) => moveCard(gallery, 1), j: (gallery) => moveCard(gallery, 1),
  ArrowLeft: (gallery) => moveCard(gallery, -1), k: (gallery) => moveCard(gallery, -1),
  b: (gallery) => gallery.judgeBlind(),
  "[": (gallery) => gallery.turn(-1), "]": (gallery) => gallery.turn(1),
  "/": (gallery) => {
    gallery.root.querySelector(".filter-fold").open = true;
    gallery.filters.querySelector("select, input")?.focus();
  },
};
const viewerKeys = {
  ArrowRight: (gallery) => gallery.step(1), j: (gallery) => gallery.step(1),
  ArrowLeft: (gallery) => gallery.step(-1), k: (gallery) => gallery.step(-1),
  s: ({ viewer }) => viewer.go("side"), w: ({ viewer }) => viewer.go("wipe"), " ": ({ viewer }) => viewer.blinkKey(),
  p: ({ viewer }) => {
    if (!viewer.walks) return;
    if (viewer.view !== "walk") viewer.go("walk");
    else viewer.play();
  },
  "+": ({ viewer }) => zoomBy(viewer, 1.5), "=": ({ viewer }) => zoomBy(viewer, 1.5), "-": ({ viewer }) => zoomBy(viewer, 1 / 1.5),
  ",": ({ viewer }) => viewer.turnPlane(-1), ".": ({ viewer }) => viewer.turnPlane(1),
  0: ({ viewer }) => { viewer.zoom = { scale: 1, x: 0.5, y: 0.5 }; viewer.paint(); },
};

function zoomBy(viewer, factor) {
  viewer.zoom.scale = clamp(viewer.zoom.scale * factor, 1, 40);
  viewer.paint();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !galleries.length) return;
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.key === "?") { help.open ? help.close() : help.showModal(); return; }
  if (help.open || target.matches("select, textarea, input:not([type=range])")) return;
  if (target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
  if (event.key === " " && target.matches("summary, button:focus-visible")) return;
  const judging = galleries.find((one) => one.judge?.dialog.open);
  if (judging) {
    if (judging.judge.key(event.key)) event.preventDefault();
    return;
  }
  const gallery = current();
  const viewing = gallery.state.item !== null;
  const up = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!viewing && up && gallery.shown.some((card) => card.button === document.activeElement)) {
    event.preventDefault();
    moveCard(gallery, up * columns(gallery));
    return;
  }
  const act = (viewing ? viewerKeys : galleryKeys)[event.key] ?? commonKeys[event.key];
  if (!act || (viewing && !gallery.viewer.item)) return;
  event.preventDefault();
  act(gallery);
}

const help = helpDialog();
galleries = [...document.querySelectorAll(".gallery")].map((root, place) => new Gallery(root, place));
document.getElementById("help-button").addEventListener("click", () => help.showModal());
document.addEventListener("keydown", onKey);
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-jump]") : null;
  if (!link) return;
  event.preventDefault();
  const place = document.getElementById(link.dataset.jump);
  place.scrollIntoView();
  place.focus({ preventScroll: true });
});
window.addEventListener("hashchange", arrive);
arrive();
document.documentElement.dataset.ready = "yes";
