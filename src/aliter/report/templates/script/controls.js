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
      gallery.index.subtracts ? make("div", { class: "window-row" }, make("span", {}, "difference"), make("span", {}, limit), said) : null,
      make("button", { type: "button", class: "quiet", on: { click: () => gallery.resetLook() } }, "Reset ", make("kbd", {}, "r"))));
}
