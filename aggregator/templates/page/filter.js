// Which cases are shown: every word typed is in a row's text or its case's name, and every setting chosen is the case's.

function wanted(digest, text) {
  const about = data.cases[digest];
  for (const [name, value] of state.facets) if (about.settings[name] !== value) return false;
  const searched = `${about.title} ${text}`.toLowerCase();
  return state.q.toLowerCase().split(/\s+/).every((word) => searched.includes(word));
}

function applyFilter() {
  const active = Boolean(state.q.trim() || state.facets.size);
  for (const table of tables) {
    const heads = headings(table).map(textOf).join(" ") + [...table.querySelectorAll("th[colspan]")].map(textOf).join(" ");
    const shared = table.classList.contains("answers") ? "" : heads;
    let shown = 0;
    for (const rows of bundles(table)) {
      const digest = rows[0].dataset.case;
      if (!digest) { shown += 1; continue; }
      const fits = wanted(digest, `${rows[0].textContent} ${shared}`);
      for (const row of rows) row.hidden = !fits;
      shown += fits;
    }
    table.closest(".scroll").hidden = shown === 0;
    const group = table.closest("details.group");
    if (group && active) group.open = shown > 0;
  }
  let shown = 0;
  const details = [...document.querySelectorAll("details[data-case]")];
  for (const one of details) {
    one.hidden = !wanted(one.dataset.case, one.dataset.search);
    shown += !one.hidden;
  }
  status.textContent = active ? `${shown} of ${details.length} cases shown; figures and totals are of all.` : `${details.length} cases.`;
}

// A chooser for every setting in which the cases differ.
function makeChoosers(form) {
  const values = new Map();
  for (const { settings } of Object.values(data.cases)) {
    for (const [name, value] of Object.entries(settings)) values.set(name, (values.get(name) ?? new Set()).add(value));
  }
  for (const [name, known] of values) {
    if (known.size < 2) continue;
    const sorted = [...known].sort(collator.compare);
    const chooser = choose(name, [["", "all"], ...sorted.map((value) => [value, value])], (value) => {
      if (value) state.facets.set(name, value);
      else state.facets.delete(name);
      applyFilter();
      writeState(false);
    });
    chooser.dataset.setting = name;
    form.append(element("label", {}, `${name} `, chooser));
  }
}

function choose(name, options, changed) {
  const chooser = element("select", { name }, ...options.map(([value, text]) => element("option", { value }, text)));
  chooser.addEventListener("change", () => changed(chooser.value));
  return chooser;
}
