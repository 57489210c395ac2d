// The views of one item: each fills the stage with panes

function showSide(viewer) {
  for (const name of viewer.names) viewer.pane(name, viewer.meaning(name), () => viewer.picture(name));
  const names = viewer.compared();
  if (!viewer.gallery.index.subtracts || !names.every((name) => viewer.item.frames.has(name))) return;
  const pane = viewer.pane("difference", `${names[1]} minus ${names[0]}`, () => {
    const [before, after] = names.map((name) => viewer.item.frames.get(name));
    return offscreen(viewer.gallery.painter.difference(before, after, viewer.item.shape, viewer.state));
  });
  pane.node.append(colourBar(viewer));
}

function colourBar(viewer) {
  const { look } = viewer.gallery.index;
  const canvas = make("canvas", { width: 201, height: 1, "aria-hidden": "true" });
  const picture = new ImageData(201, 1);
  for (let at = 0; at < 201; at++) picture.data.set([...diverging((at - 100) / 100), 255], 4 * at);
  canvas.getContext("2d").putImageData(picture, 0, 0);
  viewer.limits = [make("span", {}), make("span", {}, "0"), make("span", {})];
  viewer.sayLimits = () => {
    const end = viewer.gallery.painter.text(viewer.state.limit * (look.range[1] - look.range[0]));
    viewer.limits[0].textContent = `−${end} darker`;
    viewer.limits[2].textContent = `brighter +${end}`;
  };
  viewer.sayLimits();
  return make("div", { class: "colour-bar" }, canvas, make("div", { class: "colour-ticks" }, ...viewer.limits));
}

function showWipe(viewer) {
  const [one, two] = viewer.compared();
  const pane = viewer.pane(`${one} | ${two}`, "drag the line, or use the slider below", () => viewer.picture(one));
  pane.over = () => viewer.picture(two);
  const slider = make("input", { type: "range", min: 0, max: 1, step: 0.005, value: viewer.split, "data-key": "wipe",
    "aria-label": `Share of ${one} that is shown`, on: { input: (event) => { viewer.split = Number(event.target.value); viewer.paint(); } } });
  viewer.slider = slider;
  pane.node.append(make("div", { class: "wipe-line" }, make("span", {}, one), slider, make("span", {}, two)));
}

function showBlink(viewer) {
  const names = viewer.compared();
  const pane = viewer.pane("", "changes twice a second; space starts and stops", () => viewer.picture(names[viewer.phase]));
  pane.names = names;
  pane.node.append(make("div", { class: "wipe-line" }, make("button", { type: "button", "data-key": "blink",
    on: { click: () => viewer.blinkKey() } }, viewer.timer ? "❚❚ Stop" : "▶ Blink"),
  make("button", { type: "button", class: "quiet", "data-key": "swap", on: { click: () => { viewer.stop(); viewer.phase = 1 - viewer.phase; viewer.build(); } } }, "Swap once")));
}

function showWalk(viewer) {
  const { curve } = viewer.item;
  const pane = viewer.pane("walk", "", () => viewer.shape(viewer.position().levels));
  pane.grown = () => viewer.position().region;
  const slider = make("input", { type: "range", min: 0, max: curve.length - 1, step: 1, value: viewer.at, "data-key": "walk",
    "aria-label": "Position on the curve", on: { input: (event) => viewer.place(Number(event.target.value)) } });
  viewer.slider = slider;
  const play = make("button", { type: "button", "data-key": "play", on: { click: () => viewer.play() } }, viewer.playing ? "❚❚ Stop" : "▶ Play");
  pane.node.append(make("div", { class: "wipe-line" }, play, slider,
    make("button", { type: "button", class: "quiet", "data-key": "chosen", on: { click: () => viewer.place(viewer.item.chosen ?? 0) } }, "Chosen")));
  viewer.sayWalk = () => {
    const [x, y] = curve[viewer.at];
    pane.label.textContent = viewer.at === viewer.item.chosen ? "at the chosen point" : "on the walk";
    pane.node.querySelector("figcaption span").textContent = `${viewer.gallery.index.axes[0]} ${short(x)}, ${viewer.gallery.index.axes[1]} ${short(y)}`;
    slider.value = viewer.at;
  };
}

const SHOW = { side: showSide, wipe: showWipe, blink: showBlink, walk: showWalk };
