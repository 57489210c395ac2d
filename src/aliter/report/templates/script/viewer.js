// One item, closely

class Viewer {
  constructor(gallery) {
    this.gallery = gallery;
    this.zoom = { scale: 1, x: 0.5, y: 0.5 };
    this.panes = [];
    this.item = null;
    this.number = null;
    this.split = 0.5;
    this.phase = 0;
    this.dialog = make("dialog", { class: "viewer", "aria-label": "One item, closely", on: {
      close: () => { if (gallery.state.item !== null) gallery.close(); },
      cancel: (event) => { event.preventDefault(); gallery.close(); },
    } });
    document.body.append(this.dialog);
    new ResizeObserver(() => this.paint()).observe(this.dialog);
  }

  get state() {
    return this.gallery.state;
  }

  async render() {
    const { item: number } = this.state;
    if (number === null) {
      this.stop();
      this.item = this.whole = null;
      this.number = null;
      if (this.dialog.open) this.dialog.close();
      return;
    }
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.dialog.focus();
    }
    if (number !== this.number) {
      this.stop();
      this.number = number;
      this.zoom = { scale: 1, x: 0.5, y: 0.5 };
      try {
        const item = await this.gallery.item(number);
        if (this.number !== number) return;
        this.whole = item;
      } catch (error) {
        this.item = this.whole = null;
        this.dialog.replaceChildren(this.head(), make("p", { class: "notice" }, error.message));
        return;
      }
      const at = this.gallery.order.indexOf(number);
      for (const next of [this.gallery.order[at + 1], this.gallery.order[at - 1]]) {
        if (next !== undefined) this.gallery.item(next).catch(() => {});
      }
    }
    if (this.number !== number || !this.whole) return;
    this.cut();
    this.build();
  }

  // The plane that is looked at; an image without depth has one.
  cut() {
    if (this.item?.plane === undefined || this.item.whole !== this.whole || this.item.plane !== this.state.plane) {
      this.item = planeOf(this.whole, this.state.plane);
    }
  }

  turnPlane(by) {
    if (this.whole.planes < 2) return;
    this.state.plane = clamp(this.item.plane + by, 0, this.whole.planes - 1);
    this.cut();
    this.paint();
    remember(false);
  }

  get names() {
    return [...this.item.frames.keys(), ...this.item.paintings.keys()];
  }

  get walks() {
    return this.item.curve.length > 0 && (this.item.growth !== null || this.item.walk.length > 0);
  }

  get view() {
    return this.views.includes(this.state.view) ? this.state.view : "side";
  }

  get views() {
    return VIEWS.filter((view) => view === "side" || (view === "walk" ? this.walks : this.names.length > 1));
  }

  get at() {
    return clamp(this.state.at ?? this.item.chosen ?? 0, 0, Math.max(0, this.item.curve.length - 1));
  }

  build() {
    const open = this.dialog.querySelector("details")?.open ?? false;
    const scrolled = this.dialog.scrollTop;
    const focused = document.activeElement?.dataset?.key;
    this.stage = make("div", { class: `stage ${this.view}` });
    this.panes = [];
    this.readout = make("p", { class: "readout", "aria-live": "off" }, "Point at a pixel to read it. Wheel or pinch to zoom, drag to move.");
    const side = make("aside", { class: "aside" }, ...story(this));
    this.box = make("div", { class: "box" }, this.stage);
    this.dialog.replaceChildren(this.head(), make("div", { class: "viewer-body" },
      fill(make("div", { class: "viewer-main" }), {}, [make("div", { class: "controls" }, this.modes(), this.tools()), this.box, this.planeLine(), this.readout]), side));
    this.dialog.querySelector("details").open = open;
    this.sayLimits = null;
    SHOW[this.view](this);
    this.dialog.scrollTop = scrolled;
    if (focused) this.dialog.querySelector(`[data-key="${focused}"]`)?.focus();
    this.paint();
  }

  head() {
    const { gallery } = this;
    const { index, order } = gallery;
    const at = order.indexOf(this.number);
    const button = (key, text, name, act, off = false) => make("button", { type: "button", "data-key": key, "aria-label": name,
      title: name, disabled: off, on: { click: act } }, text);
    return make("header", { class: "viewer-head" },
      make("h2", {}, index.titles.values[index.titles.codes[this.number]]),
      make("p", { class: "viewer-place" }, at < 0 ? "not among the filtered" : `${at + 1} of ${order.length.toLocaleString("en")}`),
      make("div", { class: "viewer-nav" },
        button("previous", "←", "Previous (left arrow)", () => gallery.step(-1), at <= 0),
        button("next", "→", "Next (right arrow)", () => gallery.step(1), at < 0 || at >= order.length - 1),
        button("close", "✕", "Close (Escape)", () => gallery.close())));
  }

  modes() {
    const { views } = this;
    if (views.length < 2) return make("div", { class: "modes" });
    const modes = make("div", { class: "segments", role: "group", "aria-label": "View" }, ...views.map((view) =>
      make("button", { type: "button", "data-key": `view-${view}`, "aria-pressed": String(this.view === view), on: {
        click: () => this.go(view) } }, VIEW_NAMES[view])));
    return make("div", { class: "modes" }, ...[modes, this.pairing()].filter(Boolean));
  }

  tools() {
    return make("div", { class: "tools" }, ...[channelButtons(this.gallery), ...outlineButtons(this.gallery),
      windowPanel(this.gallery),
      make("button", { type: "button", class: "quiet", on: { click: () => savePicture(this) } }, "Save picture")].filter(Boolean));
  }

  pairing() {
    const { names } = this;
    if (names.length < 3 || this.view === "walk") return null;
    const select = make("select", { "data-key": "pairing", "aria-label": "Compared frames", on: { change: (event) => {
      this.gallery.set({ compare: event.target.value.split("..") });
    } } });
    for (let a = 0; a < names.length; a++) {
      for (let b = a + 1; b < names.length; b++) {
        const value = `${names[a]}..${names[b]}`;
        select.append(make("option", { value, selected: value === this.state.compare.join("..") }, `${names[a]} ↔ ${names[b]}`));
      }
    }
    return make("label", { class: "inline" }, select);
  }

  go(view) {
    this.stop();
    this.gallery.set({ view });
    if (view === "blink") this.start();
  }

  blinkKey() {
    if (this.view !== "blink") this.go("blink");
    else if (this.timer) { this.stop(); this.build(); } else { this.start(); this.build(); }
  }

  start() {
    this.stop();
    this.timer = setInterval(() => { this.phase = 1 - this.phase; this.paint(); }, 500);
    this.build();
  }

  stop() {
    clearInterval(this.timer);
    clearInterval(this.playing);
    this.timer = null;
    this.playing = null;
  }

  pane(name, text, picture, parent = this.stage) {
    const canvas = make("canvas", { role: "img", "aria-label": `${name}: ${text}` });
    const [, height, width] = this.item.shape;
    canvas.style.aspectRatio = `${width} / ${height}`;
    const label = make("b", {}, name);
    const node = make("figure", { class: "pane" }, canvas, make("figcaption", {}, label, " ", make("span", {}, text)));
    const pane = { canvas, picture, node, label, kind: name };
    this.panes.push(pane);
    follow(this, pane);
    parent.append(node);
    return pane;
  }

  meaning(name) {
    return this.gallery.index.legend[name] ?? "";
  }

  shape(levels) {
    return offscreen(this.gallery.painter.image(levels, this.item.shape, this.state));
  }

  picture(name) {
    return pictureOf(this.gallery, this.item, name);
  }

  // The names of what is compared: as chosen, as is usual here, or what there is.
  compared() {
    const there = (names) => names.length === 2 && names.every((name) => this.names.includes(name));
    return [this.state.compare, this.gallery.index.compare].find(there) ?? this.names.slice(0, 2);
  }

  planeLine() {
    if (this.whole.planes < 2) return null;
    const slider = make("input", { type: "range", min: 0, max: this.whole.planes - 1, step: 1, "data-key": "plane", "aria-label": "Plane",
      on: { input: (event) => this.turnPlane(Number(event.target.value) - this.item.plane) } });
    const said = make("output", {});
    this.sayPlane = () => {
      slider.value = this.item.plane;
      said.textContent = `${this.item.plane + 1} of ${this.whole.planes}`;
    };
    this.sayPlane();
    return make("div", { class: "wipe-line plane-line" }, make("span", {}, "plane"), slider, said);
  }

  position() {
    const { item } = this;
    if (this.cached?.item !== item || this.cached.at !== this.at) {
      const now = item.walk.length ? { levels: item.walk[Math.min(this.at, item.walk.length - 1)], region: null }
        : grown(item, this.gallery.index, this.at);
      this.cached = { item, at: this.at, ...now };
    }
    return this.cached;
  }

  place(at) {
    if (this.view !== "walk") { this.gallery.set({ view: "walk", at }); return; }
    this.state.at = clamp(at, 0, this.item.curve.length - 1);
    this.paint();
    remember(false);
  }

  play() {
    if (this.playing) { this.stop(); this.build(); return; }
    if (this.at === this.item.curve.length - 1) this.state.at = 0;
    this.playing = setInterval(() => {
      if (this.at >= this.item.curve.length - 1) { this.stop(); this.build(); } else this.place(this.at + 1);
    }, 90);
    this.build();
  }

  // Painting

  paint() {
    if (!this.item || !this.dialog.open) return;
    cancelAnimationFrame(this.painting);
    this.painting = requestAnimationFrame(() => this.paintNow());
  }

  // As many columns as make the panes largest; where the page scrolls, height is no limit.
  layout() {
    const [, height, width] = this.item.shape;
    const count = this.panes.length;
    const fixed = getComputedStyle(this.dialog).display === "flex";
    const gap = parseFloat(getComputedStyle(this.stage).columnGap);
    const below = Math.max(...this.panes.map((pane) => pane.node.offsetHeight - pane.canvas.offsetHeight)) + 4;
    let best = { columns: 1, size: 0 };
    for (let columns = 1; columns <= count; columns++) {
      const rows = Math.ceil(count / columns);
      const across = (this.box.clientWidth - (columns - 1) * gap) / columns;
      const down = (((this.box.clientHeight - (rows - 1) * gap) / rows - below) * width) / height;
      const size = fixed ? Math.min(across, down) : across;
      if (size > best.size && (fixed || columns === Math.min(2, count))) best = { columns, size };
    }
    this.stage.style.gridTemplateColumns = `repeat(${best.columns}, ${Math.floor(Math.max(best.size, 60))}px)`;
  }

  paintNow() {
    if (!this.item) return;
    this.layout();
    for (const pane of this.panes) this.paintPane(pane);
    if (this.view === "walk") this.sayWalk();
    this.sayLimits?.();
    if (this.whole.planes > 1) this.sayPlane();
    this.markCurve?.();
  }

  transform(canvas) {
    const [, height, width] = this.item.shape;
    const scale = Math.min(canvas.width / width, canvas.height / height) * this.zoom.scale;
    const half = 0.5 / this.zoom.scale;
    this.zoom.x = clamp(this.zoom.x, half, 1 - half);
    this.zoom.y = clamp(this.zoom.y, half, 1 - half);
    return { scale, x: canvas.width / 2 - this.zoom.x * width * scale, y: canvas.height / 2 - this.zoom.y * height * scale };
  }

  paintPane(pane) {
    const { canvas } = pane;
    const density = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * density));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * density));
    const context = canvas.getContext("2d");
    const { scale, x, y } = this.transform(canvas);
    context.imageSmoothingEnabled = false;
    context.setTransform(scale, 0, 0, scale, x, y);
    context.drawImage(pane.picture(), 0, 0);
    if (pane.over) {
      const edge = (this.split * canvas.width - x) / scale;
      context.save();
      context.beginPath();
      context.rect(edge, -1e4, 2e4, 2e4);
      context.clip();
      context.drawImage(pane.over(), 0, 0);
      context.restore();
    }
    for (const [path, style] of this.gallery.paths(this.item, pane.grown?.() ?? null)) {
      strokeOutline(context, path, style, scale / density);
    }
    context.setTransform(density, 0, 0, density, 0, 0);
    if (pane.over) this.paintEdge(context, canvas.clientWidth * this.split, canvas.clientHeight);
    this.paintScale(context, canvas, scale / density);
    if (pane.names) pane.label.textContent = pane.names[this.phase];
  }

  paintEdge(context, x, height) {
    context.fillStyle = "rgba(0, 0, 0, 0.6)";
    context.fillRect(x - 2, 0, 4, height);
    context.fillStyle = "#fff";
    context.fillRect(x - 1, 0, 2, height);
    context.beginPath();
    context.arc(x, height / 2, 9, 0, 2 * Math.PI);
    context.fill();
  }

  paintScale(context, canvas, scale) {
    const { pixel } = this.gallery.index.look;
    if (!pixel) return;
    const wanted = (canvas.clientWidth / 4 / scale) * pixel;
    const power = 10 ** Math.floor(Math.log10(wanted));
    const length = power * [5, 2, 1].find((factor) => factor * power <= wanted);
    const width = (length / pixel) * scale;
    const [x, y] = [canvas.clientWidth - width - 12, canvas.clientHeight - 14];
    context.fillStyle = "rgba(0, 0, 0, 0.55)";
    context.fillRect(x - 6, y - 18, width + 12, 26);
    context.fillStyle = "#fff";
    context.fillRect(x, y, width, 3);
    context.font = "12px sans-serif";
    context.textAlign = "center";
    context.fillText(length < 1 ? `${short(1000 * length)} nm` : `${short(length)} µm`, x + width / 2, y - 5);
  }
}
