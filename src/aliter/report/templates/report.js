"use strict";
(() => {
  // Elements

  const SVG = "http://www.w3.org/2000/svg";

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }
  const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const minus = (text) => text.replace("-", "−");
  const short = (value) => (value === null || value === undefined ? "–" : minus(String(Number(value.toPrecision(3)))));
  const signed = (value) => (value > 0 ? "+" : "") + minus(value.toFixed(2));
  const percent = (value) => {
    if (value === null) return "–";
    if (value > 0.99 && value < 1) return ">99 %";
    return `${value < 0.01 ? "<1" : Math.round(100 * value)} %`;
  };
  const json = (id) => JSON.parse(document.getElementById(id).textContent);

  // Items: from the page itself, or from the file beside it

  const arrivals = new Map();
  window.aliterItem = (gallery, number, payload) => arrivals.get(`${gallery}-${number}`)(payload);

  function fetchItem(gallery, number) {
    return new Promise((resolve, reject) => {
      arrivals.set(`${gallery}-${number}`, resolve);
      const script = make("script", { src: `items/${gallery}-${String(number).padStart(6, "0")}.js`, async: true });
      script.addEventListener("load", () => script.remove());
      script.addEventListener("error", () => reject(new Error("The folder 'items' has to lie beside this page.")));
      document.head.append(script);
    });
  }

  async function inflate(text) {
    if (!("DecompressionStream" in window)) throw new Error("This browser is too old to show the images; one of 2023 or later can.");
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  function unfold(raw, mode, first, shape, depth) {
    const count = shape[0] * shape[1] * shape[2];
    const width = shape[2];
    const levels = depth === 8 ? new Uint8Array(count) : new Uint16Array(count);
    for (let at = 0; at < count; at++) {
      const folded = depth === 8 ? raw[at] : (raw[at] << 8) | raw[count + at];
      const residual = (folded >>> 1) ^ -(folded & 1);
      let guess = 0;
      if (mode === "left") guess = at % width ? levels[at - 1] : 0;
      else if (mode === "first") guess = first[at];
      levels[at] = guess + residual;
    }
    return levels;
  }

  async function unpack(payload, depth) {
    const { shape } = payload;
    const size = shape[0] * shape[1] * shape[2];
    const item = { ...payload, frames: new Map(), walk: [], outlines: new Map() };
    for (const { name, mode, data } of payload.frames) {
      const first = item.frames.values().next().value;
      item.frames.set(name, unfold(await inflate(data), mode, first, shape, depth));
    }
    const first = item.frames.values().next().value;
    for (const { mode, data } of payload.walk) item.walk.push(unfold(await inflate(data), mode, first, shape, depth));
    for (const { name, data } of payload.outlines) {
      const bits = await inflate(data);
      const region = new Uint8Array(size);
      for (let at = 0; at < size; at++) region[at] = (bits[at >> 3] >> (7 - (at & 7))) & 1;
      item.outlines.set(name, region);
    }
    item.growth = payload.growth === null ? null : await inflate(payload.growth);
    return item;
  }

  // Pixels

  const hex = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const COLD = [[0, 0, 0], [26, 92, 190], [140, 205, 255]];
  const WARM = [[0, 0, 0], [200, 92, 10], [255, 214, 120]];

  function diverging(value) {
    const stops = value < 0 ? COLD : WARM;
    const place = 2 * Math.min(1, Math.abs(value));
    const at = Math.min(1, Math.floor(place));
    return stops[at].map((start, index) => start + (place - at) * (stops[at + 1][index] - start));
  }

  class Painter {
    constructor(index) {
      this.index = index;
      this.look = index.look;
      this.top = 2 ** this.look.depth - 1;
      this.colours = this.look.colours.map(hex);
      this.tables = [];
    }

    toValue(level) {
      const [low, high] = this.look.range;
      return low + (level / this.top) * (high - low);
    }

    text(value) {
      const [low, high] = this.look.range;
      const digits = clamp(3 - Math.floor(Math.log10(Math.abs(high - low) || 1)), 0, 6);
      return minus(value.toFixed(digits));
    }

    // The brightness of each level of a channel, 0 to 255, under the window that all images share.
    table(channel, [low, high]) {
      const key = `${low}..${high}`;
      const known = this.tables[channel];
      if (known && known.key === key) return known.values;
      const values = new Float32Array(this.top + 1);
      for (let level = 0; level <= this.top; level++) {
        values[level] = 255 * clamp((this.toValue(level) - low) / (high - low || 1e-9), 0, 1);
      }
      this.tables[channel] = { key, values };
      return values;
    }

    image(levels, shape, state) {
      const [channels, height, width] = shape;
      const area = height * width;
      const picture = new ImageData(width, height);
      const out = picture.data;
      const single = state.channel !== null || channels === 1;
      const chosen = single ? [state.channel ?? 0] : [...Array(channels).keys()];
      for (const channel of chosen) {
        const table = this.table(channel, state.window[channel]);
        const [red, green, blue] = single ? [1, 1, 1] : this.colours[channel];
        for (let at = 0, to = 0, from = channel * area; at < area; at++, to += 4, from++) {
          const value = table[levels[from]];
          out[to] += value * red;
          out[to + 1] += value * green;
          out[to + 2] += value * blue;
        }
      }
      for (let to = 3; to < out.length; to += 4) out[to] = 255;
      return picture;
    }

    // The composite shows, at each pixel, the channel that differs most.
    difference(before, after, shape, state) {
      const [channels, height, width] = shape;
      const area = height * width;
      const picture = new ImageData(width, height);
      const chosen = state.channel === null ? [...Array(channels).keys()] : [state.channel];
      const scale = 1 / (this.top * state.limit);
      for (let at = 0; at < area; at++) {
        let most = 0;
        for (const channel of chosen) {
          const value = after[channel * area + at] - before[channel * area + at];
          if (Math.abs(value) > Math.abs(most)) most = value;
        }
        picture.data.set(diverging(most * scale), 4 * at);
        picture.data[4 * at + 3] = 255;
      }
      return picture;
    }

    region(values, shape, state) {
      const [channels, height, width] = shape;
      const area = height * width;
      if (state.channel !== null) return values.subarray(state.channel * area, (state.channel + 1) * area);
      const any = new Uint8Array(area);
      for (let channel = 0; channel < channels; channel++) {
        for (let at = 0; at < area; at++) any[at] |= values[channel * area + at];
      }
      return any;
    }
  }

  // Along the edges of pixels; at the border of the image a little inside, or it would not be seen.
  function outline(region, [, height, width]) {
    const path = new Path2D();
    const inside = (y, x) => y >= 0 && x >= 0 && y < height && x < width && region[y * width + x] !== 0;
    const inset = width / 250;
    const within = (place, size) => clamp(place, inset, size - inset);
    for (let y = 0; y <= height; y++) {
      for (let x = 0; x < width; x++) {
        if (inside(y - 1, x) === inside(y, x)) continue;
        path.moveTo(within(x, width), within(y, height));
        while (x < width && inside(y - 1, x) !== inside(y, x)) x++;
        path.lineTo(within(x, width), within(y, height));
      }
    }
    for (let x = 0; x <= width; x++) {
      for (let y = 0; y < height; y++) {
        if (inside(y, x - 1) === inside(y, x)) continue;
        path.moveTo(within(x, width), within(y, height));
        while (y < height && inside(y, x - 1) !== inside(y, x)) y++;
        path.lineTo(within(x, width), within(y, height));
      }
    }
    return path;
  }

  const STROKES = [
    { colour: "#ffffff", dash: [] },
    { colour: "#ffd23f", dash: [5, 4] },
    { colour: "#7fd4ff", dash: [1.5, 3] },
  ];

  function strokeOutline(context, path, style, scale) {
    context.lineJoin = "round";
    context.setLineDash([]);
    context.strokeStyle = "rgba(0, 0, 0, 0.65)";
    context.lineWidth = 3.2 / scale;
    context.stroke(path);
    context.strokeStyle = style.colour;
    context.lineWidth = 1.5 / scale;
    context.setLineDash(style.dash.map((part) => part / scale));
    context.stroke(path);
    context.setLineDash([]);
  }

  function strokeSample(style) {
    const dash = style.dash.length ? style.dash.join(" ") : null;
    return draw("svg", { class: "sample", viewBox: "0 0 26 12", width: 26, height: 12, "aria-hidden": "true" },
      draw("rect", { width: 26, height: 12, rx: 2, fill: "#24272b" }),
      draw("path", { d: "M2 6H24", stroke: style.colour, "stroke-width": 2, "stroke-dasharray": dash }));
  }

  // A region that grows: each value is replaced from a point of the curve on, and the edge is soft

  function blurred(region, shape, sigma) {
    const [channels, height, width] = shape;
    if (!sigma) return Float32Array.from(region);
    const taps = Array.from({ length: 11 }, (_, at) => Math.exp(-((at - 5) ** 2) / (2 * sigma * sigma)));
    const sum = taps.reduce((total, tap) => total + tap, 0);
    const mirror = (at, size) => {
      let place = at;
      while (size > 1 && (place < 0 || place >= size)) place = place < 0 ? -place : 2 * (size - 1) - place;
      return size > 1 ? place : 0;
    };
    const along = (from, size, step, lines, lineStep, stack) => {
      const to = new Float32Array(from.length);
      const reach = Array.from({ length: size + 10 }, (_, at) => step * mirror(at - 5, size));
      for (let channel = 0; channel < channels; channel++) {
        for (let line = 0; line < lines; line++) {
          const start = channel * stack + line * lineStep;
          for (let at = 0; at < size; at++) {
            let total = 0;
            for (let tap = 0; tap < 11; tap++) total += taps[tap] * from[start + reach[at + tap]];
            to[start + at * step] = total / sum;
          }
        }
      }
      return to;
    };
    const rows = along(region, width, 1, height, width, height * width);
    return along(rows, height, width, width, 1, height * width);
  }

  function grown(item, index, at) {
    const [before, after] = index.compare.map((name) => item.frames.get(name));
    const region = Uint8Array.from(item.growth, (from) => (from <= at ? 1 : 0));
    const soft = blurred(region, item.shape, index.blur);
    const levels = before.slice();
    for (let place = 0; place < levels.length; place++) {
      levels[place] = Math.round(before[place] + soft[place] * (after[place] - before[place]));
    }
    return { levels, region };
  }

  // The state of a gallery, and the address that says it

  const VIEWS = ["side", "wipe", "blink", "walk"];
  const VIEW_NAMES = { side: "Side by side", wipe: "Wipe", blink: "Blink", walk: "Walk" };

  function fresh(index) {
    return {
      facets: {}, range: null, sort: `${Object.keys(index.numbers)[0] ?? ""}:down`, page: 1, item: null, view: "side",
      channel: null, window: index.look.window.map((pair) => [...pair]), limit: index.limit, hidden: new Set(),
      compare: [...index.compare], at: null,
    };
  }

  const pair = (text) => {
    const parts = (text ?? "").split("..").map(Number);
    return parts.length === 2 && parts.every(Number.isFinite) ? parts : null;
  };

  function read(index, parameters, prefix) {
    const state = fresh(index);
    const get = (name) => parameters.get(prefix + name);
    for (const [name, { values }] of Object.entries(index.facets)) {
      if (values.includes(get(name))) state.facets[name] = get(name);
    }
    const rank = Object.keys(index.numbers)[0];
    if (rank) state.range = pair(get(rank));
    const [number, way] = (get("sort") ?? "").split(":");
    if (number in index.numbers && (way === "up" || way === "down")) state.sort = `${number}:${way}`;
    state.page = Math.max(1, parseInt(get("page") ?? "1", 10) || 1);
    if (index.ids.includes(get("item"))) state.item = index.ids.indexOf(get("item"));
    if (VIEWS.includes(get("view"))) state.view = get("view");
    const channel = index.look.channels.indexOf(get("channel"));
    if (channel >= 0 && index.look.channels.length > 1) state.channel = channel;
    const windows = (get("window") ?? "").split("_").map(pair);
    if (windows.length === state.window.length && windows.every(Boolean)) state.window = windows;
    const limit = Number(get("limit"));
    if (limit > 0 && limit <= 1) state.limit = limit;
    state.hidden = new Set((get("hide") ?? "").split(",").filter(Boolean));
    const compare = (get("compare") ?? "").split("..");
    if (compare.length === 2 && compare.every((name) => index.frames.includes(name))) state.compare = compare;
    const at = parseInt(get("at") ?? "", 10);
    if (at >= 0) state.at = at;
    return state;
  }

  function written(index, state, prefix) {
    const usual = fresh(index);
    const rows = Object.entries(state.facets);
    const say = (name, value, standard) => {
      if (value !== standard) rows.push([name, value]);
    };
    const rank = Object.keys(index.numbers)[0];
    if (state.range) say(rank, state.range.join(".."), null);
    say("sort", state.sort, usual.sort);
    say("page", String(state.page), "1");
    if (state.item !== null) {
      rows.push(["item", index.ids[state.item]]);
      say("view", state.view, "side");
      say("compare", state.compare.join(".."), usual.compare.join(".."));
      if (state.view === "walk" && state.at !== null) rows.push(["at", String(state.at)]);
    }
    if (state.channel !== null) rows.push(["channel", index.look.channels[state.channel]]);
    const windows = (one) => one.window.map((ends) => ends.join("..")).join("_");
    say("window", windows(state), windows(usual));
    say("limit", String(state.limit), String(usual.limit));
    if (state.hidden.size) rows.push(["hide", [...state.hidden].join(",")]);
    return rows.map(([name, value]) => [prefix + name, value]);
  }

  // Controls that the gallery and the viewer share

  function channelButtons(gallery) {
    const { channels, colours } = gallery.index.look;
    if (channels.length < 2) return null;
    const button = (channel, name) => {
      const swatch = channel === null ? colours : [colours[channel]];
      return make("button", {
        type: "button", "aria-pressed": String(gallery.state.channel === channel),
        on: { click: () => gallery.set({ channel }) },
      }, draw("svg", { class: "swatch", viewBox: `0 0 ${10 * swatch.length} 10`, width: 10 * swatch.length, height: 10,
        "aria-hidden": "true" }, ...swatch.map((colour, at) => draw("circle", { cx: 10 * at + 5, cy: 5, r: 4, fill: colour }))),
      name);
    };
    return make("div", { class: "segments", role: "group", "aria-label": "Channel" },
      button(null, "all"), ...channels.map((name, channel) => button(channel, name)));
  }

  function outlineButtons(gallery, most = Infinity) {
    return gallery.outlines.slice(0, most).map((name, number) => make("button", {
      type: "button", class: "toggle", title: gallery.index.legend[name] ?? "",
      "aria-pressed": String(!gallery.state.hidden.has(name)), on: { click: () => gallery.toggle(name) },
    }, strokeSample(STROKES[number % STROKES.length]), name));
  }

  function windowPanel(gallery) {
    const { look } = gallery.index;
    const [low, high] = look.range;
    const step = (high - low) / 1000;
    const rows = look.channels.map((name, channel) => {
      const said = make("output", {}, "");
      const ends = gallery.state.window[channel];
      const tell = () => { said.textContent = gallery.state.window[channel].map((end) => gallery.painter.text(end)).join(" – "); };
      const slider = (end) => make("input", {
        type: "range", min: low, max: high, step, value: ends[end], "aria-label": `${name}: shown as ${end ? "full" : "black"}`,
        on: { input: (event) => {
          const value = Number(event.target.value);
          const pairs = gallery.state.window.map((one) => [...one]);
          pairs[channel][end] = end ? Math.max(value, pairs[channel][0] + step) : Math.min(value, pairs[channel][1] - step);
          gallery.repaint({ window: pairs });
          tell();
        } },
      });
      tell();
      return make("div", { class: "window-row" }, make("span", {}, name), make("span", { class: "double" }, slider(0), slider(1)), said);
    });
    const said = make("output", {}, `± ${gallery.painter.text(gallery.state.limit * (high - low))}`);
    const limit = make("input", {
      type: "range", min: 0.005, max: 1, step: 0.005, value: gallery.state.limit, "aria-label": "difference: full colour at",
      on: { input: (event) => {
        gallery.repaint({ limit: Number(event.target.value) });
        said.textContent = `± ${gallery.painter.text(gallery.state.limit * (high - low))}`;
      } },
    });
    return make("details", { class: "contrast" },
      make("summary", {}, "Contrast"),
      make("div", { class: "contrast-body" },
        make("p", {}, "One setting for every image: the intensity shown as black, and the one shown at full."),
        ...rows,
        make("div", { class: "window-row" }, make("span", {}, "difference"), make("span", {}, limit), said),
        make("button", { type: "button", class: "quiet", on: { click: () => gallery.resetLook() } }, "Reset ", make("kbd", {}, "r"))));
  }

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
      this.shown = [];
      this.loading = 0;
      this.state = fresh(this.index);
      this.viewer = new Viewer(this);
      this.watch = new IntersectionObserver((entries) => {
        for (const entry of entries) if (entry.isIntersecting) entry.target.show();
      }, { rootMargin: "300px" });
      this.rank = Object.keys(this.index.numbers)[0] ?? null;
      this.bounds = this.rank ? this.extent() : [0, 1];
      this.build();
    }

    get size() {
      const [channels, height, width] = this.index.shape.length ? this.index.shape : [1, 1, 1];
      const values = channels * height * width * Math.max(1, this.index.frames.length);
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
      this.filters.append(make("label", { class: "field" }, make("span", {}, "order"), this.sort));
      this.count = make("p", { class: "count", role: "status" });
      this.display = make("div", { class: "display" });
      this.range = make("p", { class: "range-note" });
      this.cards = make("ol", { class: "cards" });
      this.pager = make("div", { class: "pager" });
      const fold = make("details", { class: "filter-fold", open: matchMedia("(min-width: 700px)").matches },
        make("summary", {}, "Filter and order"), this.filters);
      this.root.append(this.legend(), fold, make("div", { class: "bar-line" }, this.count, this.display), this.cards,
        this.pager, this.range);
    }

    legend() {
      const seen = [...this.index.frames, ...this.index.outlines, ...Object.keys(this.index.numbers)];
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
      this.display.replaceChildren(...[channelButtons(this), ...outlineButtons(this, 1), windowPanel(this)].filter(Boolean));
      this.display.querySelector("details").open = open;
      this.sayRange();
      this.renderCards();
      this.renderPager();
      this.viewer.render();
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
  }

  class Card {
    constructor(gallery, number, rank) {
      this.gallery = gallery;
      this.number = number;
      this.item = null;
      this.tiles = make("span", { class: "tiles" });
      const { index } = gallery;
      const title = index.titles.values[index.titles.codes[number]];
      const score = gallery.rank ? index.numbers[gallery.rank][number] : null;
      this.badges = make("span", { class: "badges" });
      this.button = make("button", { type: "button", class: "card", on: { click: () => gallery.open(number) } },
        this.tiles,
        make("span", { class: "card-line" }, make("span", { class: "place" }, String(rank + 1)),
          make("span", { class: "card-title" }, title, make("small", {}, index.subtitles.values[index.subtitles.codes[number]])),
          gallery.rank ? make("span", { class: "score", title: gallery.rank }, score === null ? "–" : minus(score.toFixed(2))) : null),
        this.badges);
      this.node = make("li", {}, this.button);
      this.node.show = () => this.show();
      const [, height, width] = index.shape;
      for (const name of index.frames.slice(0, 3)) {
        const canvas = make("canvas", { width: 1, height: 1, role: "img", "aria-label": name });
        canvas.style.aspectRatio = `${width} / ${height}`;
        this.tiles.append(make("span", { class: "tile" }, canvas, make("span", { class: "tile-name" }, name)));
      }
    }

    async show() {
      if (this.item) return;
      this.gallery.loading += 1;
      try {
        this.item = await this.gallery.item(this.number);
        this.badges.replaceChildren(...this.item.warnings.map((text) => make("span", { class: "badge" }, text)));
        this.paint();
        this.node.classList.add("ready");
      } catch (error) {
        this.badges.replaceChildren(make("span", { class: "badge" }, error.message));
      } finally {
        this.gallery.loading -= 1;
      }
    }

    paint() {
      if (!this.item) return;
      const { gallery, item } = this;
      const { state, painter } = gallery;
      const [, height, width] = item.shape;
      [...this.tiles.querySelectorAll("canvas")].forEach((canvas, at) => {
        const levels = item.frames.get(gallery.index.frames[at]);
        if (!levels) return;
        const zoom = Math.max(1, Math.ceil(320 / width));
        canvas.width = width * zoom;
        canvas.height = height * zoom;
        const context = canvas.getContext("2d");
        context.imageSmoothingEnabled = false;
        context.drawImage(offscreen(painter.image(levels, item.shape, state)), 0, 0, canvas.width, canvas.height);
        if (at > 0) return;
        context.scale(zoom, zoom);
        const [first] = gallery.paths(item, null, 1);
        if (first) strokeOutline(context, ...first, zoom / 2);
      });
    }
  }

  function offscreen(picture) {
    const canvas = make("canvas", { width: picture.width, height: picture.height });
    canvas.getContext("2d").putImageData(picture, 0, 0);
    return canvas;
  }

  // The outlines to be drawn, each with its style; ``grownTo`` stands for the first while a region grows.
  Gallery.prototype.paths = function paths(item, grownTo, most = Infinity) {
    const found = [];
    for (const [name, values] of item.outlines) {
      const place = this.outlines.indexOf(name);
      if (this.state.hidden.has(name) || place >= most) continue;
      const region = this.painter.region(place === 0 && grownTo ? grownTo : values, item.shape, this.state);
      found.push([outline(region, item.shape), STROKES[place % STROKES.length]]);
    }
    return found;
  };

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
        this.item = null;
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
          this.item = item;
        } catch (error) {
          this.item = null;
          this.dialog.replaceChildren(this.head(), make("p", { class: "notice" }, error.message));
          return;
        }
        const at = this.gallery.order.indexOf(number);
        for (const next of [this.gallery.order[at + 1], this.gallery.order[at - 1]]) {
          if (next !== undefined) this.gallery.item(next).catch(() => {});
        }
      }
      if (this.item) this.build();
    }

    get walks() {
      return this.item.curve.length > 0 && (this.item.growth !== null || this.item.walk.length > 0);
    }

    get view() {
      return this.state.view === "walk" && !this.walks ? "side" : this.state.view;
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
      const side = make("aside", { class: "aside" }, ...this.story());
      this.box = make("div", { class: "box" }, this.stage);
      this.dialog.replaceChildren(this.head(), make("div", { class: "viewer-body" },
        make("div", { class: "viewer-main" }, make("div", { class: "controls" }, this.modes(), this.tools()), this.box, this.readout), side));
      this.dialog.querySelector("details").open = open;
      this[this.view]();
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
      const views = VIEWS.filter((view) => view !== "walk" || this.walks);
      const modes = make("div", { class: "segments", role: "group", "aria-label": "View" }, ...views.map((view) =>
        make("button", { type: "button", "data-key": `view-${view}`, "aria-pressed": String(this.view === view), on: {
          click: () => this.go(view) } }, VIEW_NAMES[view])));
      return make("div", { class: "modes" }, ...[modes, this.pairing()].filter(Boolean));
    }

    tools() {
      return make("div", { class: "tools" }, ...[channelButtons(this.gallery), ...outlineButtons(this.gallery),
        windowPanel(this.gallery),
        make("button", { type: "button", class: "quiet", on: { click: () => this.save() } }, "Save picture")].filter(Boolean));
    }

    pairing() {
      const names = [...this.item.frames.keys()];
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

    // Views

    pane(name, text, picture, parent = this.stage) {
      const canvas = make("canvas", { role: "img", "aria-label": `${name}: ${text}` });
      const [, height, width] = this.item.shape;
      canvas.style.aspectRatio = `${width} / ${height}`;
      const label = make("b", {}, name);
      const node = make("figure", { class: "pane" }, canvas, make("figcaption", {}, label, " ", make("span", {}, text)));
      const pane = { canvas, picture, node, label, kind: name };
      this.panes.push(pane);
      this.follow(pane);
      parent.append(node);
      return pane;
    }

    meaning(name) {
      return this.gallery.index.legend[name] ?? "";
    }

    shape(levels) {
      return offscreen(this.gallery.painter.image(levels, this.item.shape, this.state));
    }

    side() {
      for (const [name, levels] of this.item.frames) this.pane(name, this.meaning(name), () => this.shape(levels));
      const pane = this.pane("difference", `${this.state.compare[1]} minus ${this.state.compare[0]}`, () => {
        const [before, after] = this.compared();
        return offscreen(this.gallery.painter.difference(before, after, this.item.shape, this.state));
      });
      pane.node.append(this.colourBar());
    }

    compared() {
      const names = this.state.compare.every((name) => this.item.frames.has(name)) ? this.state.compare : this.gallery.index.compare;
      return names.map((name) => this.item.frames.get(name));
    }

    colourBar() {
      const { look } = this.gallery.index;
      const canvas = make("canvas", { width: 201, height: 1, "aria-hidden": "true" });
      const picture = new ImageData(201, 1);
      for (let at = 0; at < 201; at++) picture.data.set([...diverging((at - 100) / 100), 255], 4 * at);
      canvas.getContext("2d").putImageData(picture, 0, 0);
      this.limits = [make("span", {}), make("span", {}, "0"), make("span", {})];
      this.sayLimits = () => {
        const end = this.gallery.painter.text(this.state.limit * (look.range[1] - look.range[0]));
        this.limits[0].textContent = `−${end} darker`;
        this.limits[2].textContent = `brighter +${end}`;
      };
      this.sayLimits();
      return make("div", { class: "colour-bar" }, canvas, make("div", { class: "colour-ticks" }, ...this.limits));
    }

    wipe() {
      const [before, after] = this.compared();
      const [one, two] = this.state.compare;
      const pane = this.pane(`${one} | ${two}`, "drag the line, or use the slider below", () => this.shape(before));
      pane.over = () => this.shape(after);
      const slider = make("input", { type: "range", min: 0, max: 1, step: 0.005, value: this.split, "data-key": "wipe",
        "aria-label": `Share of ${one} that is shown`, on: { input: (event) => { this.split = Number(event.target.value); this.paint(); } } });
      this.slider = slider;
      pane.node.append(make("div", { class: "wipe-line" }, make("span", {}, one), slider, make("span", {}, two)));
    }

    blink() {
      const [before, after] = this.compared();
      const pane = this.pane("", "changes twice a second; space starts and stops", () => this.shape(this.phase ? after : before));
      pane.names = this.state.compare;
      pane.node.append(make("div", { class: "wipe-line" }, make("button", { type: "button", "data-key": "blink",
        on: { click: () => this.blinkKey() } }, this.timer ? "❚❚ Stop" : "▶ Blink"),
      make("button", { type: "button", class: "quiet", "data-key": "swap", on: { click: () => { this.stop(); this.phase = 1 - this.phase; this.build(); } } }, "Swap once")));
    }

    walk() {
      const { curve } = this.item;
      const pane = this.pane("walk", "", () => this.shape(this.position().levels));
      pane.grown = () => this.position().region;
      const slider = make("input", { type: "range", min: 0, max: curve.length - 1, step: 1, value: this.at, "data-key": "walk",
        "aria-label": "Position on the curve", on: { input: (event) => this.place(Number(event.target.value)) } });
      this.slider = slider;
      const play = make("button", { type: "button", "data-key": "play", on: { click: () => this.play() } }, this.playing ? "❚❚ Stop" : "▶ Play");
      pane.node.append(make("div", { class: "wipe-line" }, play, slider,
        make("button", { type: "button", class: "quiet", "data-key": "chosen", on: { click: () => this.place(this.item.chosen ?? 0) } }, "Chosen")));
      this.sayWalk = () => {
        const [x, y] = curve[this.at];
        pane.label.textContent = this.at === this.item.chosen ? "at the chosen point" : "on the walk";
        pane.node.querySelector("figcaption span").textContent = `${this.gallery.index.axes[0]} ${short(x)}, ${this.gallery.index.axes[1]} ${short(y)}`;
        slider.value = this.at;
      };
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
      if (this.view === "side") this.sayLimits();
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

    // Pointers: all panes move together

    follow(pane) {
      const { canvas } = pane;
      const fingers = new Map();
      const where = (event) => {
        const box = canvas.getBoundingClientRect();
        return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      };
      const magnify = (factor, [x, y]) => {
        const before = this.zoom.scale;
        this.zoom.scale = clamp(before * factor, 1, 40);
        this.zoom.x += (x - 0.5) * (1 / before - 1 / this.zoom.scale);
        this.zoom.y += (y - 0.5) * (1 / before - 1 / this.zoom.scale);
        this.paint();
      };
      canvas.addEventListener("wheel", (event) => {
        event.preventDefault();
        magnify(Math.exp(-event.deltaY / 300), where(event));
      }, { passive: false });
      canvas.addEventListener("dblclick", () => { this.zoom = { scale: 1, x: 0.5, y: 0.5 }; this.paint(); });
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        fingers.set(event.pointerId, where(event));
        this.wiping = Boolean(pane.over) && Math.abs(where(event)[0] - this.split) * canvas.clientWidth < 24;
      });
      for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
      canvas.addEventListener("pointermove", (event) => {
        const now = where(event);
        this.read(now);
        const before = fingers.get(event.pointerId);
        if (!before) return;
        if (fingers.size === 2) {
          const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
          const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1e-3;
          magnify(apart(now) / apart(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
        } else if (this.wiping || (pane.over && this.zoom.scale === 1)) {
          this.split = clamp(now[0], 0, 1);
          this.slider.value = this.split;
          this.paint();
        } else {
          this.zoom.x -= (now[0] - before[0]) / this.zoom.scale;
          this.zoom.y -= (now[1] - before[1]) / this.zoom.scale;
          this.paint();
        }
        fingers.set(event.pointerId, now);
      });
    }

    read([x, y]) {
      const [, height, width] = this.item.shape;
      const column = Math.floor((this.zoom.x + (x - 0.5) / this.zoom.scale) * width);
      const row = Math.floor((this.zoom.y + (y - 0.5) / this.zoom.scale) * height);
      if (column < 0 || row < 0 || column >= width || row >= height) return;
      const { painter, index } = this.gallery;
      const parts = index.look.channels.map((name, channel) => {
        const values = [...this.item.frames.values()].map((levels) => painter.text(painter.toValue(levels[(channel * height + row) * width + column])));
        return `${name} ${values.join(" → ")}`;
      });
      this.readout.textContent = `row ${row}, column ${column}: ${parts.filter((_, channel) => this.state.channel === null || this.state.channel === channel).join("; ")}`;
    }

    // What is known of it

    story() {
      const { item, gallery } = this;
      const { index } = gallery;
      const parts = [];
      for (const text of item.warnings) parts.push(make("p", { class: "notice" }, text));
      if (item.caption) parts.push(make("p", { class: "caption" }, item.caption));
      if (Object.keys(item.bars).length) parts.push(make("h3", {}, "Probabilities"), this.bars());
      if (item.curve.length > 1) parts.push(make("h3", {}, index.axes[1]), this.curve());
      const numbers = Object.entries(index.numbers).map(([name, values]) => [name, values[this.number]])
        .filter(([, value]) => value !== null).map(([name, value]) => [name, short(value)]);
      const facets = Object.keys(index.facets).map((name) => [name, gallery.facet(name, this.number)]).filter(([, value]) => value);
      parts.push(make("h3", {}, "Details"), make("dl", { class: "facts" }, ...[...numbers, ...facets, ...item.facts].map(([name, value]) =>
        make("div", { title: index.legend[name] }, make("dt", {}, name), make("dd", {}, value)))));
      return parts;
    }

    bars() {
      const { item } = this;
      const names = Object.keys(item.bars);
      const best = (at) => Math.max(...names.map((name) => item.bars[name][at] ?? 0)) + (item.highlight.includes(at) ? 2 : 0);
      const classes = this.gallery.index.classes.map((name, at) => ({ name, at }));
      const shown = classes.length > 8 ? classes.sort((a, b) => best(b.at) - best(a.at)).slice(0, 8) : classes;
      const key = make("p", { class: "bar-key" }, ...names.map((name, at) => make("span", {}, make("i", { class: `bar-${at % 3}` }), name)));
      const rows = shown.map(({ name, at }) => make("div", { class: item.highlight.includes(at) ? "bar-row marked" : "bar-row" },
        make("span", { class: "bar-name", title: name }, name),
        make("span", { class: "bar-set" }, ...names.map((frame, number) => {
          const bar = make("i", { class: `bar-${number % 3}` });
          bar.style.width = `${100 * (item.bars[frame][at] ?? 0)}%`;
          return make("span", { class: "bar-track" }, bar, make("span", {}, percent(item.bars[frame][at])));
        }))));
      return make("div", { class: "bars" }, key, ...rows);
    }

    curve() {
      const { item } = this;
      const { axes } = this.gallery.index;
      const [width, height, left, top] = [300, 150, 34, 8];
      const points = item.curve.filter(([x, y]) => x !== null && y !== null);
      const low = Math.min(0, ...points.map(([, y]) => y));
      const high = Math.max(low < 0 ? 0 : 1, ...points.map(([, y]) => y));
      const end = Math.max(1, ...points.map(([x]) => x));
      const x = (value) => left + (value / end) * width;
      const y = (value) => top + (1 - (value - low) / (high - low || 1)) * height;
      const node = draw("svg", { class: "curve", viewBox: `0 0 ${left + width + 12} ${top + height + 36}`, role: "img",
        "aria-label": `${axes[1]} over ${axes[0]}` });
      for (const value of [...new Set([low, 0, 0.5 * high, high])]) {
        node.append(draw("path", { class: value === 0 ? "zero" : "grid", d: `M${left} ${y(value)}h${width}` }),
          draw("text", { class: "tick end", x: left - 6, y: y(value) + 4 }, short(value)));
      }
      for (const value of [0, 0.25 * end, 0.5 * end, 0.75 * end, end]) {
        node.append(draw("text", { class: "tick middle", x: x(value), y: top + height + 16 }, short(value)));
      }
      node.append(draw("text", { class: "axis middle", x: left + width / 2, y: top + height + 32 }, axes[0]));
      const line = points.map(([a, b]) => `${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("L");
      node.append(draw("path", { class: "area", d: `M${x(points[0][0])} ${y(0)}L${line}L${x(points[points.length - 1][0])} ${y(0)}Z` }),
        draw("path", { class: "line series-0", d: `M${line}` }));
      if (item.chosen !== null && item.curve[item.chosen]) {
        const [a, b] = item.curve[item.chosen];
        const near = x(a) > left + width * 0.62;
        node.append(draw("path", { class: "drop", d: `M${x(a)} ${y(0)}V${y(b)}` }), draw("circle", { class: "chosen", cx: x(a), cy: y(b), r: 5 }),
          draw("text", { class: near ? "name end" : "name", x: x(a) + (near ? -10 : 10), y: clamp(y(b) + 18, top + 14, top + height - 4) },
            `${percent(a)} → ${signed(b)}`));
      }
      if (this.walks) this.walkable(node, x, y, { left, width, end });
      else this.markCurve = null;
      return node;
    }

    walkable(node, x, y, { left, width, end }) {
      const marker = draw("circle", { class: "marker", r: 4.5 });
      node.append(marker);
      node.classList.add("walkable");
      this.markCurve = () => {
        const [a, b] = this.item.curve[this.at];
        fill(marker, { cx: x(a ?? 0), cy: y(b ?? 0) }, []);
        marker.classList.toggle("off", this.view !== "walk");
      };
      const pick = (event) => {
        const box = node.getBoundingClientRect();
        const wanted = (((event.clientX - box.left) / box.width) * node.viewBox.baseVal.width - left) / width * end;
        let best = 0;
        this.item.curve.forEach(([a], at) => {
          if (a !== null && Math.abs(a - wanted) < Math.abs(this.item.curve[best][0] - wanted)) best = at;
        });
        this.stop();
        this.place(best);
      };
      node.addEventListener("pointerdown", pick);
      node.addEventListener("pointermove", (event) => { if (event.buttons) pick(event); });
    }

    save() {
      const gap = 8;
      const tall = 22;
      const width = this.panes.reduce((sum, pane) => sum + pane.canvas.width + gap, gap);
      const height = Math.max(...this.panes.map((pane) => pane.canvas.height)) + tall + 2 * gap;
      const canvas = make("canvas", { width, height });
      const context = canvas.getContext("2d");
      context.fillStyle = "#fff";
      context.fillRect(0, 0, width, height);
      context.fillStyle = "#111";
      context.font = "15px sans-serif";
      let x = gap;
      for (const pane of this.panes) {
        context.drawImage(pane.canvas, x, gap + tall);
        context.fillText(pane.label.textContent, x, gap + 14);
        x += pane.canvas.width + gap;
      }
      canvas.toBlob((blob) => {
        const address = URL.createObjectURL(blob);
        const name = this.gallery.index.ids[this.number].replace(/[^\w.-]+/g, "_");
        make("a", { href: address, download: `${name}_${this.view}.png` }).click();
        setTimeout(() => URL.revokeObjectURL(address), 10000);
      });
    }
  }

  // The address

  let galleries = [];
  let pending = null;

  function address() {
    const parameters = new URLSearchParams(galleries.flatMap((gallery) => written(gallery.index, gallery.state, gallery.prefix)));
    return `#${parameters}`;
  }

  function remember(push) {
    clearTimeout(pending);
    if (push) {
      history.pushState(null, "", address());
      return;
    }
    pending = setTimeout(() => history.replaceState(null, "", address()), 250);
  }

  function arrive() {
    clearTimeout(pending);
    const hash = location.hash.slice(1);
    const place = hash && !hash.includes("=") ? document.getElementById(hash) : null;
    const parameters = new URLSearchParams(place ? "" : hash);
    for (const gallery of galleries) {
      gallery.state = read(gallery.index, parameters, gallery.prefix);
      if (gallery.state.item !== null && !parameters.has(`${gallery.prefix}page`)) {
        gallery.arrange();
        const at = gallery.order.indexOf(gallery.state.item);
        if (at >= 0) gallery.state.page = Math.floor(at / gallery.size) + 1;
      }
      gallery.render();
    }
    if (place) place.scrollIntoView();
  }

  // Keys

  const KEYS = [
    ["In the gallery", [["← → or j k", "the card before, the card after"], ["Enter", "open it"], ["[ ]", "turn the page"], ["/", "to the filters"]]],
    ["Looking closely", [["← → or j k", "the item before, the item after"], ["s w", "side by side, wipe"], ["space", "blink on and off; it is off at first"],
      ["p", "walk along the curve"], ["+ − 0", "zoom in, out, reset"], ["Esc", "back to the gallery"]]],
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
})();
