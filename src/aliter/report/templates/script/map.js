// A map of the items: a point for each, coloured and shaped by a facet

const SHAPE_TEXT = [
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", "M-4 -4h8v8h-8Z", "M0 -5L5 4H-5Z", "M0 -5L5 0L0 5L-5 0Z",
  "M-5 -1.5h3.5V-5h3v3.5H5v3H1.5V5h-3V1.5H-5Z", "M0 5L5 -4H-5Z",
];
const SHAPES = SHAPE_TEXT.map((path) => new Path2D(path));
const REACH = 14;

class Chart {
  constructor(gallery) {
    this.gallery = gallery;
    this.near = null;
    const { map, facets } = gallery.index;
    this.canvas = make("canvas", { class: "map", role: "img",
      "aria-label": `map of ${gallery.index.noun}: ${map.axes[1]} over ${map.axes[0]}; the cards below hold the same`, on: {
        pointermove: (event) => this.point(event), pointerleave: () => this.look(null),
        click: () => { if (this.near !== null) gallery.open(this.near); } } });
    this.said = make("p", { class: "map-said", "aria-hidden": "true" });
    this.key = make("ul", { class: "map-key" });
    const names = Object.keys(facets).filter((name) => facets[name].values.length > 1 || name === map.colour);
    this.choice = make("select", { on: { change: (event) => gallery.set({ colour: event.target.value }) } },
      ...names.map((name) => make("option", { value: name }, name)));
    this.node = make("div", { class: "chart" }, make("div", { class: "map-box" }, this.canvas, this.said),
      make("div", {}, make("label", { class: "field" }, make("span", {}, "colour and shape"), this.choice), this.key));
    new ResizeObserver(() => this.paint()).observe(this.canvas);
  }

  render() {
    const { index, state } = this.gallery;
    const { values, codes } = index.facets[state.colour];
    this.choice.value = state.colour;
    this.shownOnes = new Set(this.gallery.order);
    const counts = values.map(() => 0);
    for (const number of this.shownOnes) if (index.map.places[number]) counts[codes[number]] += 1;
    this.key.replaceChildren(...values.map((value, code) => make("li", {},
      draw("svg", { viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true" },
        draw("path", { class: `point series-${code % 6}`, d: SHAPE_TEXT[code % 6] })), `${value || "–"} (${counts[code]})`)));
    this.paint();
  }

  // Where a point lies on the canvas, in pixels of the page.
  scale() {
    const { places, equal } = this.gallery.index.map;
    const found = places.filter(Boolean);
    const ends = [0, 1].map((axis) => {
      let [low, high] = [Infinity, -Infinity];
      for (const place of found) { low = Math.min(low, place[axis]); high = Math.max(high, place[axis]); }
      return [low, high > low ? high : low + 1];
    });
    const room = [this.canvas.clientWidth - 40, this.canvas.clientHeight - 40];
    let factors = ends.map(([low, high], axis) => room[axis] / (high - low));
    if (equal) factors = [Math.min(...factors), Math.min(...factors)];
    const middle = ends.map(([low, high]) => (low + high) / 2);
    return ([x, y]) => [
      this.canvas.clientWidth / 2 + (x - middle[0]) * factors[0], this.canvas.clientHeight / 2 - (y - middle[1]) * factors[1]];
  }

  paint() {
    const { canvas } = this;
    if (!this.shownOnes || !canvas.clientWidth) return;
    const { index, state } = this.gallery;
    const { codes } = index.facets[state.colour];
    const density = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * density);
    canvas.height = Math.round(canvas.clientHeight * density);
    const style = getComputedStyle(canvas);
    const colours = [0, 1, 2, 3, 4, 5].map((code) => style.getPropertyValue(`--series-${code}`));
    const context = canvas.getContext("2d");
    const place = this.scale();
    this.at = index.map.places.map((one) => one && place(one));
    const faint = (number) => !this.shownOnes.has(number);
    const order = [...this.at.keys()].sort((a, b) => faint(b) - faint(a) || a - b);
    for (const number of order) {
      if (!this.at[number]) continue;
      context.setTransform(density, 0, 0, density, this.at[number][0] * density, this.at[number][1] * density);
      context.globalAlpha = faint(number) ? 0.15 : 0.85;
      context.fillStyle = colours[codes[number] % 6];
      context.fill(SHAPES[codes[number] % 6]);
      if (number !== this.near && number !== state.item) continue;
      context.globalAlpha = 1;
      context.strokeStyle = style.color;
      context.lineWidth = 2;
      context.stroke(SHAPES[codes[number] % 6]);
    }
    context.setTransform(density, 0, 0, density, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = style.color;
    context.font = "12px sans-serif";
    context.fillText(`${index.map.axes[0]} →`, 6, canvas.clientHeight - 6);
    context.fillText(`↑ ${index.map.axes[1]}`, 6, 14);
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, found] = [REACH, null];
    for (const number of this.gallery.order) {
      const apart = this.at?.[number] ? Math.hypot(this.at[number][0] - x, this.at[number][1] - y) : Infinity;
      if (apart < best) [best, found] = [apart, number];
    }
    this.look(found);
  }

  look(number) {
    if (number === this.near) return;
    this.near = number;
    const { titles, ids } = this.gallery.index;
    this.canvas.classList.toggle("near", number !== null);
    this.said.textContent = number === null ? "" : `${titles.values[titles.codes[number]]} · ${ids[number]}`;
    this.paint();
  }
}
