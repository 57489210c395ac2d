// Judging blind: names and scores are hidden, the order is drawn from a seed, the answers are saved as a table

// A small generator of numbers in [0, 1): the same seed gives the same ones in every browser.
function drawn(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(values, next) {
  const order = [...values];
  for (let at = order.length - 1; at > 0; at--) {
    const other = Math.floor(next() * (at + 1));
    [order[at], order[other]] = [order[other], order[at]];
  }
  return order;
}

const UNSURE = "cannot say";

class Judge {
  constructor(gallery) {
    this.gallery = gallery;
    this.answers = new Map();
    this.dialog = make("dialog", { class: "viewer judge", "aria-label": "Judge blind", on: {
      cancel: (event) => { event.preventDefault(); this.leave(); },
    } });
    document.body.append(this.dialog);
  }

  get seed() {
    return this.gallery.state.blind;
  }

  render() {
    if (this.seed === null) {
      if (this.dialog.open) this.dialog.close();
      return;
    }
    const set = `${this.seed} ${this.gallery.order.join()}`;
    if (set !== this.set) this.begin(set);
    if (!this.dialog.open) this.dialog.showModal();
    this.show();
  }

  // In which order, and of each item in which order its pictures, hangs on the seed and on nothing that is looked at.
  begin(set) {
    const next = drawn(this.seed);
    this.set = set;
    this.order = shuffled([...this.gallery.order].sort((a, b) => a - b), next);
    this.turns = new Map(this.order.map((number) => [number, next()]));
    this.at = 0;
    this.answers.clear();
  }

  async show() {
    const number = this.order[this.at];
    if (number === undefined) { this.end(); return; }
    const item = planeOf(await this.gallery.item(number), null);
    if (this.seed === null || this.order[this.at] !== number) return;
    const names = Object.keys(item.truths);
    this.names = names.length > 1 && this.turns.get(number) < 0.5 ? names.reverse() : names;
    const stage = make("div", { class: "judge-stage" }, ...this.names.map((name, place) => this.picture(item, name, place)));
    const known = this.answers.get(number) ?? {};
    const { blind } = this.gallery.index;
    this.dialog.replaceChildren(this.head(), make("div", { class: "judge-body" }, stage,
      this.question(blind.question, [...blind.choices, UNSURE], known.choice, (value) => this.answer({ choice: value }), 1),
      names.length > 1 ? this.question(blind.second, ["yes", "no"], known.second, (value) => this.answer({ second: value }), 0) : ""));
    this.dialog.focus();
  }

  picture(item, name, place) {
    const picture = pictureOf(this.gallery, item, name);
    const zoom = Math.max(1, Math.floor(480 / picture.width));
    const canvas = make("canvas", { width: picture.width * zoom, height: picture.height * zoom, role: "img" });
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return make("figure", { class: "pane" }, canvas, make("figcaption", {}, this.names.length > 1 ? ["left", "right"][place] : ""));
  }

  head() {
    return make("header", { class: "viewer-head" }, make("h2", {}, "Judge blind"),
      make("p", { class: "viewer-place" }, `${Math.min(this.at + 1, this.order.length)} of ${this.order.length}, seed ${this.seed}`),
      make("div", { class: "viewer-nav" },
        make("button", { type: "button", on: { click: () => this.step(-1) } }, "←"),
        make("button", { type: "button", on: { click: () => this.step(1) } }, "→"),
        make("button", { type: "button", class: "save-answers", on: { click: () => this.save() } }, "Save answers"),
        make("button", { type: "button", on: { click: () => this.leave() } }, "✕")));
  }

  question(text, choices, chosen, act, numbered) {
    return make("div", { class: "judge-question" }, make("p", {}, text), make("div", { class: "tools" }, ...choices.map((choice, at) => {
      const key = choice === UNSURE ? "0" : numbered ? String(at + 1) : choice[0];
      return make("button", { type: "button", "aria-pressed": String(choice === chosen), on: { click: () => act(choice) } },
        choice, " ", make("kbd", {}, key.length > 1 ? "" : key));
    })));
  }

  // Goes on by itself when all that is asked has been answered.
  answer(part) {
    const number = this.order[this.at];
    const whole = { ...this.answers.get(number), ...part, names: this.names };
    this.answers.set(number, whole);
    if (whole.choice && (this.names.length < 2 || whole.second)) this.step(1);
    else this.show();
  }

  step(by) {
    this.at = clamp(this.at + by, 0, this.order.length);
    this.show();
  }

  key(name) {
    const { choices } = this.gallery.index.blind;
    if (name === "Escape") { this.leave(); return true; }
    if (name === "ArrowLeft" || name === "ArrowRight") { this.step(name === "ArrowLeft" ? -1 : 1); return true; }
    if (name === "c") { commonKeys.c(this.gallery); return true; }
    if (this.order[this.at] === undefined) return false;
    if (name === "0") { this.answer({ choice: UNSURE }); return true; }
    if (/^[1-9]$/.test(name) && choices[name - 1] !== undefined) { this.answer({ choice: choices[name - 1] }); return true; }
    if ((name === "y" || name === "n") && this.names.length > 1) { this.answer({ second: name === "y" ? "yes" : "no" }); return true; }
    return false;
  }

  // Only now is said what was right.
  async end() {
    let [right, judged, convincing] = [0, 0, 0];
    for (const [number, { choice, second, names }] of this.answers) {
      const { truths } = await this.gallery.item(number);
      if (choice && choice !== UNSURE) { judged += 1; right += choice === truths[names[0]]; }
      convincing += second === "yes";
    }
    if (this.seed === null) return;
    const found = judged ? `${right} of ${judged} named right; ` : "";
    this.dialog.replaceChildren(this.head(), make("div", { class: "judge-body" },
      make("p", { class: "caption judged" }, `${this.answers.size} of ${this.order.length} judged: ${found}${convincing} found convincing.`),
      make("p", {}, "Save the answers: they are kept nowhere else.")));
    this.dialog.focus();
  }

  async table() {
    const { index } = this.gallery;
    const facets = Object.keys(index.facets);
    const numbers = Object.keys(index.numbers);
    const rows = [["order", "seed", "item", "first", "truth", "answer", "right", "second", ...facets, ...numbers]];
    for (const [at, number] of this.order.entries()) {
      const { choice, second, names } = this.answers.get(number) ?? {};
      if (!choice && !second) continue;
      const truth = (await this.gallery.item(number)).truths[names[0]];
      rows.push([at + 1, this.seed, index.ids[number], names[0], truth, choice ?? "", choice ? (choice === truth ? "yes" : "no") : "", second ?? "",
        ...facets.map((name) => this.gallery.facet(name, number)), ...numbers.map((name) => index.numbers[name][number] ?? "")]);
    }
    return rows.map((row) => row.map((cell) => `"${String(cell).replaceAll('"', '""')}"`).join(",")).join("\r\n");
  }

  async save() {
    const address = URL.createObjectURL(new Blob([`${await this.table()}\r\n`], { type: "text/csv" }));
    make("a", { href: address, download: `answers_${this.seed}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  leave() {
    this.gallery.set({ blind: null });
  }
}
