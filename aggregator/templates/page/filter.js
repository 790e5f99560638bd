// Shows the cases that have every selected setting, and every typed word in the text of a row or the name of its case.

// A word as a pattern. With a digit at an end it matches only a whole number, so that 8 does not find 18 or 128.
function pattern(word) {
  const literal = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`${/^\d/.test(word) ? "(?<![\\d.])" : ""}${literal}${/\d$/.test(word) ? "(?![\\d.]*\\d)" : ""}`, "i");
}

// The typed text as patterns of its words. A number belongs to the word before it if cases have such names: "batch 8".
function patterns() {
  const titles = Object.values(data.cases).map(({ title }) => title), joined = [];
  for (const word of state.q.trim().split(/[\s,]+/).filter(Boolean)) {
    const both = `${joined.at(-1)} ${word}`;
    if (/^\d+$/.test(word) && titles.some((title) => pattern(both).test(title))) joined.splice(-1, 1, both);
    else joined.push(word);
  }
  return joined.map(pattern);
}

function isSelected(digest) {
  const about = data.cases[digest];
  return [...state.facets].every(([name, value]) => about.settings[name] === value);
}

function applyFilter() {
  const sought = patterns(), active = Boolean(sought.length || state.facets.size);
  const fits = (digest, text) => isSelected(digest) && sought.every((one) => one.test(`${data.cases[digest].title} ${text}`));
  const found = new Set();
  for (const table of tables) {
    const heads = headings(table).map(textOf).join(" ") + [...table.querySelectorAll("th[colspan]")].map(textOf).join(" ");
    const shared = table.classList.contains("answers") ? "" : heads;
    let shown = 0;
    for (const rows of bundles(table)) {
      const digest = rows[0].dataset.case;
      const shows = !digest || fits(digest, `${rows[0].textContent} ${shared}`);
      for (const row of rows) row.hidden = !shows;
      shown += shows;
      if (digest && shows) found.add(digest);
    }
    table.closest(".scroll").hidden = shown === 0;
    const group = table.closest("details.group");
    if (group && active && table.querySelector("[data-case]")) group.open = shown > 0;
  }
  for (const one of document.querySelectorAll("article[data-case]")) one.hidden = !fits(one.dataset.case, one.textContent);
  for (const one of document.querySelectorAll("details[data-case]")) {
    one.hidden = !fits(one.dataset.case, one.querySelector("summary").textContent + sidesOf(one).join(" "));
    if (!one.hidden) found.add(one.dataset.case);
  }
  const many = Object.keys(data.cases).length, every = many === 1 ? "1 case" : `${many} cases`, whole = fadeMarks(fits);
  const figures = whole ? "totals are of all, larger figures show whole panels" : "the others are faint in figures, totals are of all";
  status.textContent = active ? `${found.size} of ${every} shown; ${figures}.` : `${every}.`;
}

// Fades the marks of other cases in figures. Hides panels, figures and lists of figures without a case that is left.
// Returns whether a panel has marks that do not name their cases.
function fadeMarks(fits) {
  let nameless = false;
  for (const panel of document.querySelectorAll(".figures .panel")) {
    const marks = [...panel.querySelectorAll("svg [data-case]")];
    for (const mark of marks) mark.classList.toggle("faint", !fits(mark.dataset.case, mark.textContent));
    const cases = panel.dataset.cases?.split(" ") ?? [];
    const isLeft = cases.some((digest) => fits(digest, "")) || marks.some((mark) => !mark.classList.contains("faint"));
    panel.hidden = cases.length + marks.length > 0 && !isLeft;
    nameless ||= marks.length === 0;
  }
  for (const figure of document.querySelectorAll(".figures figure")) figure.hidden = !figure.querySelector(".panel:not([hidden])");
  for (const more of document.querySelectorAll("details.more")) more.hidden = !more.querySelector("figure:not([hidden])");
  return nameless;
}

function sidesOf(details) {
  return data.parts[details.closest("[data-part]").dataset.part][details.dataset.case]?.sides ?? [];
}

// A selection for every setting in which the cases differ.
function makeChoosers(form) {
  const values = new Map();
  for (const { settings } of Object.values(data.cases)) {
    for (const [name, value] of Object.entries(settings)) values.set(name, (values.get(name) ?? new Set()).add(value));
  }
  for (const [name, present] of values) {
    if (present.size < 2) continue;
    const sorted = [...present].sort(collator.compare);
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
