// The gallery

class Gallery {
  constructor(root, place) {
    this.root = root;
    this.place = place;
    this.prefix = place ? `${place}.` : "";
    this.index = json(`index-${place}`);
    this.painter = new Painter(this.index);
    this.items = new Map();
    this.outlines = this.index.outlines;
    this.tiles = [...this.index.frames, ...this.index.paintings].slice(0, 3);
    this.shown = [];
    this.loading = 0;
    this.state = fresh(this.index);
    this.viewer = new Viewer(this);
    this.judge = this.index.blind ? new Judge(this) : null;
    this.watch = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) entry.target.show();
    }, { rootMargin: "300px" });
    this.rank = Object.keys(this.index.numbers)[0] ?? null;
    this.bounds = this.rank ? this.extent() : [0, 1];
    this.build();
  }

  get size() {
    const [channels, height, width] = this.index.shape.length ? this.index.shape : [1, 1, 1];
    const values = channels * height * width * Math.max(1, this.index.frames.length + this.index.paintings.length);
    return clamp(Math.floor(4e7 / values / 6) * 6, 6, 24);
  }

  get pages() {
    return Math.max(1, Math.ceil(this.order.length / this.size));
  }

  extent() {
    const values = this.index.numbers[this.rank].filter((value) => value !== null);
    let low = Infinity;
    let high = -Infinity;
    for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
    return low < high ? [Math.floor(100 * low) / 100, Math.ceil(100 * high) / 100] : [(low || 0) - 0.5, (low || 0) + 0.5];
  }

  item(number) {
    if (!this.items.has(number)) {
      const inside = document.getElementById(`item-${this.place}-${number}`);
      const payload = inside ? Promise.resolve().then(() => JSON.parse(inside.textContent)) : fetchItem(this.place, number);
      this.items.set(number, payload.then((found) => unpack(found, this.index.look.depth)));
      while (this.items.size > 4 * this.size) this.items.delete(this.items.keys().next().value);
    }
    const found = this.items.get(number);
    this.items.delete(number);
    this.items.set(number, found);
    return found;
  }

  facet(name, number) {
    const { values, codes } = this.index.facets[name];
    return values[codes[number]];
  }

  // What matches, all but one filter counted

  matches(number, except) {
    for (const [name, value] of Object.entries(this.state.facets)) {
      if (name !== except && this.facet(name, number) !== value) return false;
    }
    if (this.state.range && this.rank && except !== this.rank) {
      const value = this.index.numbers[this.rank][number];
      return value !== null && value >= this.state.range[0] && value <= this.state.range[1];
    }
    return true;
  }

  arrange() {
    const [name, way] = this.state.sort.split(":");
    const values = this.index.numbers[name] ?? [];
    const sign = way === "up" ? 1 : -1;
    this.order = this.index.ids.map((_, number) => number).filter((number) => this.matches(number, null));
    this.order.sort((a, b) => {
      const [one, two] = [values[a] ?? null, values[b] ?? null];
      if (one === null || two === null) return (one === null) - (two === null) || a - b;
      return sign * (one - two) || a - b;
    });
    this.state.page = clamp(this.state.page, 1, this.pages);
  }

  // Changes

  set(changes, push = false) {
    Object.assign(this.state, changes);
    this.render();
    remember(push);
  }

  filter(changes) {
    this.set({ ...changes, page: 1 });
  }

  toggle(name) {
    const hidden = new Set(this.state.hidden);
    if (!hidden.delete(name)) hidden.add(name);
    this.set({ hidden });
  }

  repaint(changes) {
    Object.assign(this.state, changes);
    cancelAnimationFrame(this.painting);
    this.painting = requestAnimationFrame(() => {
      for (const card of this.shown) card.paint();
      this.viewer.paint();
      this.sayRange();
    });
    remember(false);
  }

  resetLook() {
    const usual = fresh(this.index);
    this.viewer.zoom = { scale: 1, x: 0.5, y: 0.5 };
    this.set({ window: usual.window, limit: usual.limit });
  }

  open(number, push = true) {
    this.set({ item: number, at: null }, push);
  }

  close() {
    const number = this.state.item;
    const at = this.order.indexOf(number);
    this.set({ item: null, page: at < 0 ? this.state.page : Math.floor(at / this.size) + 1 });
    const card = this.shown.find((one) => one.number === number);
    if (card) card.button.focus();
  }

  step(by) {
    const at = this.order.indexOf(this.state.item);
    const next = this.order[clamp(at + by, 0, this.order.length - 1)];
    if (next !== undefined && next !== this.state.item) this.set({ item: next, at: null });
  }

  turn(by) {
    const page = clamp(this.state.page + by, 1, this.pages);
    if (page === this.state.page) return;
    this.set({ page });
    this.root.scrollIntoView({ block: "start" });
  }

  // The page

  build() {
    this.filters = make("div", { class: "filters" });
    this.selects = {};
    for (const [name, { values }] of Object.entries(this.index.facets)) {
      const select = make("select", { on: { change: (event) => {
        const facets = { ...this.state.facets };
        if (event.target.value === "") delete facets[name];
        else facets[name] = values[Number(event.target.value)];
        this.filter({ facets });
      } } });
      this.selects[name] = select;
      if (values.length > 1) this.filters.append(make("label", { class: "field" }, make("span", {}, name), select));
    }
    this.buildRange();
    this.sort = make("select", { on: { change: (event) => this.filter({ sort: event.target.value }) } },
      ...Object.keys(this.index.numbers).flatMap((name) => [
        make("option", { value: `${name}:down` }, `${name}, highest first`),
        make("option", { value: `${name}:up` }, `${name}, lowest first`)]));
    if (this.rank) this.filters.append(make("label", { class: "field" }, make("span", {}, "order"), this.sort));
    this.count = make("p", { class: "count", role: "status" });
    this.display = make("div", { class: "display" });
    this.range = make("p", { class: "range-note" });
    this.cards = make("ol", { class: `cards of-${this.tiles.length}` });
    this.pager = make("div", { class: "pager" });
    const fold = make("details", { class: "filter-fold", hidden: !this.filters.children.length, open: matchMedia("(min-width: 700px)").matches },
      make("summary", {}, "Filter and order"), this.filters);
    this.chart = this.index.map ? new Chart(this) : null;
    this.root.append(this.legend(), fold, ...(this.chart ? [this.chart.node] : []),
      make("div", { class: "bar-line" }, this.count, this.display), this.cards, this.pager, this.range);
  }

  legend() {
    const seen = [...this.index.frames, ...this.index.paintings, ...this.index.outlines, ...Object.keys(this.index.numbers)];
    const names = Object.keys(this.index.legend).filter((name) => seen.includes(name));
    if (!names.length) return make("div");
    return make("dl", { class: "legend" }, ...names.map((name) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, this.index.legend[name]))));
  }

  buildRange() {
    if (!this.rank || this.index.ids.length < 2) return;
    const [low, high] = this.bounds;
    const step = (high - low) / 100;
    this.histogram = draw("svg", { class: "histogram", viewBox: "0 0 200 34", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.sliders = [0, 1].map((end) => make("input", {
      type: "range", min: low, max: high, step, value: this.bounds[end],
      "aria-label": `${this.rank}: ${end ? "highest" : "lowest"} shown`,
      on: { input: () => {
        const ends = this.sliders.map((slider) => Number(slider.value)).sort((a, b) => a - b);
        const whole = ends[0] <= low + step / 2 && ends[1] >= high - step / 2;
        this.filter({ range: whole ? null : ends.map((value) => Number(value.toFixed(4))) });
      } },
    }));
    this.rangeText = make("output", {});
    this.filters.append(make("div", { class: "field wide", role: "group", "aria-label": this.rank },
      make("span", {}, this.rank, " ", this.rangeText), make("span", { class: "brush" }, this.histogram,
        make("span", { class: "double" }, ...this.sliders))));
  }

  render() {
    this.arrange();
    this.renderFilters();
    const total = this.index.ids.length;
    const found = this.order.length;
    this.count.replaceChildren(make("b", {}, found.toLocaleString("en")),
      found === total ? ` ${this.index.noun}` : ` of ${total.toLocaleString("en")} ${this.index.noun}`);
    if (found < total) {
      this.count.append(" ", make("button", { type: "button", class: "quiet", on: {
        click: () => this.filter({ facets: {}, range: null }) } }, "Show all"));
    }
    const open = this.display.querySelector("details")?.open ?? false;
    this.display.replaceChildren(...[channelButtons(this), ...outlineButtons(this, 1), windowPanel(this), this.blindButton()].filter(Boolean));
    this.display.querySelector("details").open = open;
    this.sayRange();
    this.renderCards();
    this.renderPager();
    this.chart?.render();
    this.viewer.render();
    this.judge?.render();
  }

  blindButton() {
    if (!this.judge || !this.order.length) return null;
    return make("button", { type: "button", class: "quiet", title: "Classes and scores are hidden", on: { click: () => this.judgeBlind() } },
      "Judge blind ", make("kbd", {}, "b"));
  }

  // A fresh seed each time; who wants the same order again has it in the address.
  judgeBlind() {
    if (this.judge && this.order.length) this.set({ blind: 1 + Math.floor(Math.random() * 999), item: null }, true);
  }

  sayRange() {
    const { look } = this.index;
    const parts = look.channels.map((name, channel) =>
      `${look.channels.length > 1 ? `${name} ` : ""}${this.state.window[channel].map((end) => this.painter.text(end)).join(" to ")}`);
    this.range.textContent = `Display range, shared by all ${this.index.noun}: ${parts.join(", ")}; declared range `
      + `${look.range.map((end) => this.painter.text(end)).join(" to ")}; ${look.depth} bits a value. Nothing is stretched image by image.`;
  }

  renderFilters() {
    for (const [name, { values, codes }] of Object.entries(this.index.facets)) {
      const counts = values.map(() => 0);
      for (let number = 0; number < codes.length; number++) if (this.matches(number, name)) counts[codes[number]] += 1;
      const chosen = this.state.facets[name];
      this.selects[name].replaceChildren(make("option", { value: "" }, "any"), ...values.map((value, at) =>
        make("option", { value: at, selected: value === chosen }, `${value || "–"}  (${counts[at]})`)));
      this.selects[name].classList.toggle("active", chosen !== undefined);
    }
    this.sort.value = this.state.sort;
    if (!this.histogram) return;
    const [low, high] = this.bounds;
    const ends = this.state.range ?? this.bounds;
    const counts = Array(40).fill(0);
    this.index.numbers[this.rank].forEach((value, number) => {
      if (value !== null && this.matches(number, this.rank)) {
        counts[clamp(Math.floor((40 * (value - low)) / (high - low)), 0, 39)] += 1;
      }
    });
    const most = Math.max(1, ...counts);
    this.histogram.replaceChildren(...counts.map((count, at) => {
      const middle = low + ((at + 0.5) / 40) * (high - low);
      const height = count ? Math.max(1.5, (33 * count) / most) : 0;
      return draw("rect", { x: 5 * at + 0.5, y: 34 - height, width: 4, height,
        class: middle >= ends[0] && middle <= ends[1] ? "in" : "out" });
    }));
    this.sliders.forEach((slider, end) => { if (document.activeElement !== slider) slider.value = ends[end]; });
    this.rangeText.textContent = `${short(ends[0])} – ${short(ends[1])}`;
  }

  renderCards() {
    const start = (this.state.page - 1) * this.size;
    const numbers = this.order.slice(start, start + this.size);
    if (numbers.length && this.shown.length === numbers.length && this.shown.every((card, at) => card.number === numbers[at])) {
      for (const card of this.shown) card.paint();
      return;
    }
    this.watch.disconnect();
    this.shown = numbers.map((number, at) => new Card(this, number, start + at));
    this.cards.replaceChildren(...this.shown.map((card) => card.node));
    this.cards.start = start + 1;
    if (!numbers.length) {
      this.cards.append(make("li", { class: "nothing" }, `No ${this.index.noun} match these filters.`));
    }
    for (const card of this.shown) this.watch.observe(card.node);
  }

  renderPager() {
    if (this.pages < 2) { this.pager.replaceChildren(); return; }
    const button = (by, text, key) => make("button", { type: "button", "aria-keyshortcuts": key,
      disabled: clamp(this.state.page + by, 1, this.pages) === this.state.page, on: { click: () => this.turn(by) } }, text);
    this.pager.replaceChildren(button(-1, "← Previous", "["), make("span", {}, `Page ${this.state.page} of ${this.pages}`),
      button(1, "Next →", "]"));
  }

  // The outlines to be drawn, each with its style; ``grownTo`` stands for the first while a region grows.
  paths(item, grownTo, most = Infinity) {
    const found = [];
    for (const [name, values] of item.outlines) {
      const place = this.outlines.indexOf(name);
      if (this.state.hidden.has(name) || place >= most) continue;
      const region = this.painter.region(place === 0 && grownTo ? grownTo : values, item.shape, this.state);
      found.push([outline(region, item.shape), STROKES[place % STROKES.length]]);
    }
    return found;
  }
}
