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
