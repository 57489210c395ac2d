// What is known of an item

function story(viewer) {
  const { item, gallery } = viewer;
  const { index } = gallery;
  const parts = [];
  for (const text of item.warnings) parts.push(make("p", { class: "notice" }, text));
  if (item.caption) parts.push(make("p", { class: "caption" }, item.caption));
  if (Object.keys(item.bars).length) parts.push(make("h3", {}, "Probabilities"), bars(viewer));
  if (item.curve.length > 1) parts.push(make("h3", {}, index.axes[1]), curve(viewer));
  const numbers = Object.entries(index.numbers).map(([name, values]) => [name, values[viewer.number]])
    .filter(([, value]) => value !== null).map(([name, value]) => [name, short(value)]);
  const facets = Object.keys(index.facets).map((name) => [name, gallery.facet(name, viewer.number)]).filter(([, value]) => value);
  parts.push(make("h3", {}, "Details"), make("dl", { class: "facts" }, ...[...numbers, ...facets, ...item.facts].map(([name, value]) =>
    make("div", { title: index.legend[name] }, make("dt", {}, name), make("dd", {}, value)))));
  return parts;
}

function bars(viewer) {
  const { item } = viewer;
  const names = Object.keys(item.bars);
  const best = (at) => Math.max(...names.map((name) => item.bars[name][at] ?? 0)) + (item.highlight.includes(at) ? 2 : 0);
  const classes = viewer.gallery.index.classes.map((name, at) => ({ name, at }));
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

function curve(viewer) {
  const { item } = viewer;
  const { axes } = viewer.gallery.index;
  const [width, height, left, top] = [300, 150, 34, 8];
  const points = item.curve.filter(([x, y]) => x !== null && y !== null);
  const low = Math.min(0, ...points.map(([, y]) => y));
  const high = Math.max(low < 0 ? 0 : 1, ...points.map(([, y]) => y));
  const begin = Math.min(0, ...points.map(([x]) => x));
  const end = Math.max(begin < 0 ? 0 : 1, ...points.map(([x]) => x));
  const x = (value) => left + ((value - begin) / (end - begin)) * width;
  const y = (value) => top + (1 - (value - low) / (high - low || 1)) * height;
  const node = draw("svg", { class: "curve", viewBox: `0 0 ${left + width + 12} ${top + height + 36}`, role: "img",
    "aria-label": `${axes[1]} over ${axes[0]}` });
  for (const value of [...new Set([low, 0, 0.5 * high, high])]) {
    node.append(draw("path", { class: value === 0 ? "zero" : "grid", d: `M${left} ${y(value)}h${width}` }),
      draw("text", { class: "tick end", x: left - 6, y: y(value) + 4 }, short(value)));
  }
  for (const value of [0, 0.25, 0.5, 0.75, 1].map((part) => begin + part * (end - begin))) {
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
        axes[0].startsWith("share") ? `${percent(a)} → ${signed(b)}` : `${short(a)} → ${short(b)}`));
  }
  if (viewer.walks) walkable(viewer, node, x, y, { left, width, begin, end });
  else viewer.markCurve = null;
  return node;
}

function walkable(viewer, node, x, y, { left, width, begin, end }) {
  const marker = draw("circle", { class: "marker", r: 4.5 });
  node.append(marker);
  node.classList.add("walkable");
  viewer.markCurve = () => {
    const [a, b] = viewer.item.curve[viewer.at];
    fill(marker, { cx: x(a ?? 0), cy: y(b ?? 0) }, []);
    marker.classList.toggle("off", viewer.view !== "walk");
  };
  const pick = (event) => {
    const box = node.getBoundingClientRect();
    const wanted = begin + (((event.clientX - box.left) / box.width) * node.viewBox.baseVal.width - left) / width * (end - begin);
    let best = 0;
    viewer.item.curve.forEach(([a], at) => {
      if (a !== null && Math.abs(a - wanted) < Math.abs(viewer.item.curve[best][0] - wanted)) best = at;
    });
    viewer.stop();
    viewer.place(best);
  };
  node.addEventListener("pointerdown", pick);
  node.addEventListener("pointermove", (event) => { if (event.buttons) pick(event); });
}


function savePicture(viewer) {
  const gap = 8;
  const tall = 22;
  const width = viewer.panes.reduce((sum, pane) => sum + pane.canvas.width + gap, gap);
  const height = Math.max(...viewer.panes.map((pane) => pane.canvas.height)) + tall + 2 * gap;
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.fillStyle = "#111";
  context.font = "15px sans-serif";
  let x = gap;
  for (const pane of viewer.panes) {
    context.drawImage(pane.canvas, x, gap + tall);
    context.fillText(pane.label.textContent, x, gap + 14);
    x += pane.canvas.width + gap;
  }
  canvas.toBlob((blob) => {
    const address = URL.createObjectURL(blob);
    const name = viewer.gallery.index.ids[viewer.number].replace(/[^\w.-]+/g, "_");
    make("a", { href: address, download: `${name}_${viewer.view}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  });
}
