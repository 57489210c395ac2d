// The state of a gallery, and the address that says it

const VIEWS = ["side", "wipe", "blink", "walk"];
const VIEW_NAMES = { side: "Side by side", wipe: "Wipe", blink: "Blink", walk: "Walk" };

function fresh(index) {
  return {
    facets: {}, range: null, sort: `${Object.keys(index.numbers)[0] ?? ""}:down`, page: 1, item: null, view: "side",
    channel: null, window: index.look.window.map((pair) => [...pair]), limit: index.limit, hidden: new Set(),
    compare: [...index.compare], at: null, plane: null, colour: index.map?.colour ?? null, blind: null,
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
  if (compare.length === 2 && compare.every((name) => index.frames.includes(name) || index.paintings.includes(name))) state.compare = compare;
  const at = parseInt(get("at") ?? "", 10);
  if (at >= 0) state.at = at;
  const plane = parseInt(get("plane") ?? "", 10);
  if (plane >= 0) state.plane = plane;
  const blind = parseInt(get("blind") ?? "", 10);
  if (index.blind && blind >= 0) state.blind = blind;
  if (index.map && get("colour") in index.facets) state.colour = get("colour");
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
    if (state.plane !== null) rows.push(["plane", String(state.plane)]);
    if (state.view === "walk" && state.at !== null) rows.push(["at", String(state.at)]);
  }
  if (state.channel !== null) rows.push(["channel", index.look.channels[state.channel]]);
  const windows = (one) => one.window.map((ends) => ends.join("..")).join("_");
  say("window", windows(state), windows(usual));
  say("limit", String(state.limit), String(usual.limit));
  if (state.blind !== null) rows.push(["blind", String(state.blind)]);
  say("colour", state.colour, usual.colour);
  if (state.hidden.size) rows.push(["hide", [...state.hidden].join(",")]);
  return rows.map(([name, value]) => [prefix + name, value]);
}
