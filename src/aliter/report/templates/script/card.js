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
        gallery.rank ? make("span", { class: "score", title: gallery.rank }, score === null ? "–" : brief(score)) : null),
      this.badges);
    this.node = make("li", {}, this.button);
    this.node.show = () => this.show();
    const [, height, width] = index.shape;
    for (const name of gallery.tiles) {
      const canvas = make("canvas", { width: 1, height: 1, role: "img", "aria-label": name });
      canvas.style.aspectRatio = `${width} / ${height}`;
      this.tiles.append(make("span", { class: "tile" }, canvas, make("span", { class: "tile-name" }, name)));
    }
  }

  async show() {
    if (this.item) return;
    this.gallery.loading += 1;
    try {
      this.item = planeOf(await this.gallery.item(this.number), null);
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
    const [, height, width] = item.shape;
    [...this.tiles.querySelectorAll("canvas")].forEach((canvas, at) => {
      const picture = pictureOf(gallery, item, gallery.tiles[at]);
      if (!picture) return;
      const zoom = Math.max(1, Math.ceil(320 / width));
      canvas.width = width * zoom;
      canvas.height = height * zoom;
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(picture, 0, 0, canvas.width, canvas.height);
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

// A frame under the window that all share, or a painting as it is; null if the item has none of that name.
function pictureOf(gallery, item, name) {
  const { painter, state } = gallery;
  if (item.frames.has(name)) return offscreen(painter.image(item.frames.get(name), item.shape, state));
  return item.paintings.has(name) ? offscreen(painter.painting(item.paintings.get(name), item.shape)) : null;
}
