// The reader's selections, kept in the URL's hash, so that a link shows the same view.

const state = { q: "", facets: new Map(), view: "absolute", base: "", theme: "", sorts: new Map(), open: new Set(), at: "" };

function readState() {
  const hash = location.hash.slice(1);
  // A plain anchor is a place without selections.
  const given = new URLSearchParams(hash.includes("=") ? hash : "");
  state.q = given.get("q") ?? "";
  state.view = given.get("view") === "relative" ? "relative" : "absolute";
  state.base = given.get("base") ?? "";
  state.theme = ["light", "dark"].includes(given.get("theme")) ? given.get("theme") : "";
  state.open = new Set((given.get("open") ?? "").split(" ").filter(Boolean));
  state.at = hash.includes("=") ? given.get("at") ?? "" : decoded(hash);
  state.facets = new Map();
  state.sorts = new Map();
  for (const [key, value] of given) {
    if (key.startsWith("f.")) state.facets.set(key.slice(2), value);
    const order = /^(\d+)\.(ascending|descending)$/.exec(value);
    if (key.startsWith("sort.") && order) state.sorts.set(key.slice(5), { column: Number(order[1]), order: order[2] });
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function writeState(step) {
  const said = new URLSearchParams();
  if (state.q) said.set("q", state.q);
  for (const [name, value] of state.facets) said.set(`f.${name}`, value);
  if (state.view === "relative") said.set("view", "relative");
  if (state.base) said.set("base", state.base);
  if (state.theme) said.set("theme", state.theme);
  for (const [table, { column, order }] of state.sorts) said.set(`sort.${table}`, `${column}.${order}`);
  if (state.open.size) said.set("open", [...state.open].join(" "));
  if (state.at) said.set("at", state.at);
  // Typing replaces the history entry; following a link adds one, which "back" undoes.
  history[step ? "pushState" : "replaceState"](null, "", `#${said}`);
}
