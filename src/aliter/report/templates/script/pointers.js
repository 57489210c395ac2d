// Pointers: all panes move together

function follow(viewer, pane) {
  const { canvas } = pane;
  const fingers = new Map();
  const where = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const magnify = (factor, [x, y]) => {
    const before = viewer.zoom.scale;
    viewer.zoom.scale = clamp(before * factor, 1, 40);
    viewer.zoom.x += (x - 0.5) * (1 / before - 1 / viewer.zoom.scale);
    viewer.zoom.y += (y - 0.5) * (1 / before - 1 / viewer.zoom.scale);
    viewer.paint();
  };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    magnify(Math.exp(-event.deltaY / 300), where(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", () => { viewer.zoom = { scale: 1, x: 0.5, y: 0.5 }; viewer.paint(); });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, where(event));
    viewer.wiping = Boolean(pane.over) && Math.abs(where(event)[0] - viewer.split) * canvas.clientWidth < 24;
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    const now = where(event);
    readPixel(viewer, now);
    const before = fingers.get(event.pointerId);
    if (!before) return;
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1e-3;
      magnify(apart(now) / apart(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    } else if (viewer.wiping || (pane.over && viewer.zoom.scale === 1)) {
      viewer.split = clamp(now[0], 0, 1);
      viewer.slider.value = viewer.split;
      viewer.paint();
    } else {
      viewer.zoom.x -= (now[0] - before[0]) / viewer.zoom.scale;
      viewer.zoom.y -= (now[1] - before[1]) / viewer.zoom.scale;
      viewer.paint();
    }
    fingers.set(event.pointerId, now);
  });
}

function readPixel(viewer, [x, y]) {
  const [, height, width] = viewer.item.shape;
  const column = Math.floor((viewer.zoom.x + (x - 0.5) / viewer.zoom.scale) * width);
  const row = Math.floor((viewer.zoom.y + (y - 0.5) / viewer.zoom.scale) * height);
  if (column < 0 || row < 0 || column >= width || row >= height) return;
  const { painter, index } = viewer.gallery;
  const parts = index.look.channels.map((name, channel) => {
    const values = [...viewer.item.frames.values()].map((levels) => painter.text(painter.toValue(levels[(channel * height + row) * width + column])));
    return `${name} ${values.join(" → ")}`;
  });
  viewer.readout.textContent = `row ${row}, column ${column}: ${parts.filter((_, channel) => viewer.state.channel === null || viewer.state.channel === channel).join("; ")}`;
}
