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
  const { shape, planes } = payload;
  const [, height, width] = shape;
  const whole = [planes * shape[0], height, width];
  const item = { ...payload, frames: new Map(), paintings: new Map(), walk: [], outlines: new Map() };
  for (const { name, mode, data } of payload.frames) {
    const first = item.frames.values().next().value;
    item.frames.set(name, unfold(await inflate(data), mode, first, whole, depth));
  }
  const first = item.frames.values().next().value;
  for (const { mode, data } of payload.walk) item.walk.push(unfold(await inflate(data), mode, first, shape, depth));
  for (const { name, mode, data } of payload.paintings) {
    item.paintings.set(name, unfold(await inflate(data), mode, null, [3 * planes, height, width], 8));
  }
  for (const { name, labels, channels, mode, data } of payload.outlines) {
    const raw = await inflate(data);
    const extent = [planes * channels, height, width];
    item.outlines.set(name, labels ? unfold(raw, mode, null, extent, 16) : unpackBits(raw, extent));
  }
  item.growth = payload.growth === null ? null : await inflate(payload.growth);
  return item;
}

function unpackBits(bits, [channels, height, width]) {
  const region = new Uint8Array(channels * height * width);
  for (let at = 0; at < region.length; at++) region[at] = (bits[at >> 3] >> (7 - (at & 7))) & 1;
  return region;
}

// One plane of an item, the middle one if none is wanted.
function planeOf(whole, wanted) {
  const plane = clamp(wanted ?? Math.floor(whole.planes / 2), 0, whole.planes - 1);
  const cut = (images) => new Map([...images].map(([name, values]) => {
    const size = values.length / whole.planes;
    return [name, values.subarray(plane * size, (plane + 1) * size)];
  }));
  return { ...whole, whole, plane, frames: cut(whole.frames), paintings: cut(whole.paintings), outlines: cut(whole.outlines) };
}
