// Along the edges of pixels; at the border of the image a little inside, or it would not be seen.
function outline(region, [, height, width]) {
  const path = new Path2D();
  const at = (y, x) => (y >= 0 && x >= 0 && y < height && x < width ? region[y * width + x] : 0);
  const inset = width / 250;
  const within = (place, size) => clamp(place, inset, size - inset);
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x < width; x++) {
      if (at(y - 1, x) === at(y, x)) continue;
      path.moveTo(within(x, width), within(y, height));
      while (x < width && at(y - 1, x) !== at(y, x)) x++;
      path.lineTo(within(x, width), within(y, height));
    }
  }
  for (let x = 0; x <= width; x++) {
    for (let y = 0; y < height; y++) {
      if (at(y, x - 1) === at(y, x)) continue;
      path.moveTo(within(x, width), within(y, height));
      while (y < height && at(y, x - 1) !== at(y, x)) y++;
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
