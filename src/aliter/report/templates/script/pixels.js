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

  // A picture in colours of its own: no window, no channels.
  painting(levels, [, height, width]) {
    const area = height * width;
    const picture = new ImageData(width, height);
    for (let at = 0; at < area; at++) {
      for (let part = 0; part < 3; part++) picture.data[4 * at + part] = levels[part * area + at];
      picture.data[4 * at + 3] = 255;
    }
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
    if (values.length === area) return values;
    if (state.channel !== null) return values.subarray(state.channel * area, (state.channel + 1) * area);
    const any = new values.constructor(area);
    for (let channel = 0; channel < channels; channel++) {
      for (let at = 0; at < area; at++) any[at] ||= values[channel * area + at];
    }
    return any;
  }
}
