// The page is complete without scripts; they filter, sort, compare and copy.

// The files are one module and share a scope.
const data = await unpacked("data");
const status = document.getElementById("status");
const tables = [...document.querySelectorAll("main table")].filter((table) => table.tHead);

function goTo(place) {
  const target = place && document.getElementById(place);
  if (!target) return;
  const details = target.closest("details");
  if (details) details.open = true;
  target.tabIndex = -1;
  target.scrollIntoView();
  target.focus({ preventScroll: true });
}

// A link may name settings that this report does not have; they would hide everything.
function forgetUnknown() {
  const offered = (name, value) => [...(form.elements[name]?.options ?? [])].some((option) => option.value === value);
  for (const [name, value] of state.facets) if (!offered(name, value)) state.facets.delete(name);
  if (!offered("baseline", state.base)) state.base = "";
}

function applyAll() {
  forgetUnknown();
  document.documentElement.style.colorScheme = state.theme;
  for (const control of form.elements) {
    if (control.name === "q") control.value = state.q;
    else if (control.name === "times") control.value = state.view;
    else if (control.name === "baseline") control.value = state.base;
    else if (control.name === "theme") control.value = state.theme;
    else if (control.dataset?.setting) control.value = state.facets.get(control.dataset.setting) ?? "";
  }
  for (const one of document.querySelectorAll("details[data-case]")) one.open = state.open.has(one.dataset.anchor);
  tables.forEach(sortTable);
  applyView();
  applyFilter();
  goTo(state.at);
}

const tools = document.getElementById("tools");
const form = tools.querySelector("form");
const search = element("input", { type: "search", name: "q", placeholder: "resnet batch 8", spellcheck: false });
search.addEventListener("input", () => {
  state.q = search.value;
  applyFilter();
  writeState(false);
});
form.prepend(element("label", {}, "find ", search));
tables.forEach((table, index) => (table.dataset.name = `t${index + 1}`));
makeChoosers(form);
makeView(form);
tables.forEach(makeSortable);
tables.forEach(makeTools);
form.append(
  element("label", {}, "theme ", choose("theme", [["", "system"], ["light", "light"], ["dark", "dark"]], (value) => {
    state.theme = value;
    document.documentElement.style.colorScheme = value;
    writeState(false);
  })),
  makeButton("Copy link", () => copy(location.href)),
  makeButton("JSON", () => save("report.json", "application/json", jsonOf())),
  makeButton("Reset", () => {
    history.replaceState(null, "", "#");
    readState();
    applyAll();
  }));
form.addEventListener("submit", (event) => event.preventDefault());
tools.hidden = false;
// On a phone the answer comes before the filters.
tools.open = matchMedia("(min-width: 50rem)").matches;

makeSampleButtons();
for (const one of document.querySelectorAll("details[data-case]")) {
  one.addEventListener("toggle", () => {
    state.open[one.open ? "add" : "delete"](one.dataset.anchor);
    writeState(false);
  });
}
// Follows a link, or a mark of a figure, to its place.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]'), mark = event.target.closest(".figures [data-case]");
  const told = mark?.closest("[data-part]").querySelector(`details[data-case="${mark.dataset.case}"]`);
  if (!link && !told) return;
  event.preventDefault();
  state.at = told ? told.dataset.anchor : decoded(link.getAttribute("href").slice(1));
  writeState(true);
  goTo(state.at);
});
// In print all answers are unfolded; cases stay as the reader left them.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details.group:not([open])")];
  for (const group of folded) group.open = true;
});
addEventListener("afterprint", () => {
  for (const group of folded) group.open = false;
});
addEventListener("popstate", () => {
  readState();
  applyAll();
});
readState();
applyAll();
