// Shows times relative to a baseline. The report computed all ratios and intervals; the script only selects them.

function ratioOf(cell, base) {
  const { dataset } = cell.closest("[data-case]"), part = cell.closest("[data-part]");
  const about = data.parts[part.dataset.part]?.[dataset.case];
  if (!about) return null;
  const side = about.sides.indexOf(cell.dataset.side), of = base ? about.sides.indexOf(base) : about.reference;
  if (side < 0 || of === null || of < 0) return null;
  return side === of ? { value: 1, text: "1×", detail: "baseline" } : about.ratios[of][side];
}

function applyView() {
  const relative = state.view === "relative";
  for (const cell of document.querySelectorAll("td[data-side]")) {
    absolute.has(cell) || absolute.set(cell, [...cell.childNodes]);
    const notes = absolute.get(cell).filter((node) => node.nodeName === "SUP");
    const found = relative ? ratioOf(cell, state.base) : null;
    delete cell.dataset.relative;
    if (!relative) cell.replaceChildren(...absolute.get(cell));
    else if (found) {
      cell.dataset.relative = found.value;
      cell.replaceChildren(found.text, ...notes, " ", element("small", {}, found.detail));
    } else cell.replaceChildren("– ", element("small", {}, "no paired ratio"));
  }
  for (const side of document.querySelectorAll(".outcome li")) {
    const [, , speed, interval] = side.children;
    absolute.has(side) || absolute.set(side, [speed.textContent, interval.textContent]);
    const found = state.base && ratioOf(side, state.base);
    const shown = found ? [found.text, found.detail] : state.base ? ["–", "no paired ratio"] : absolute.get(side);
    [speed.textContent, interval.textContent] = shown;
  }
  const against = state.base || "the second fastest of each case";
  for (const note of document.querySelectorAll(".view")) {
    note.hidden = !relative;
    note.textContent = `Shown here: how many times as fast as ${against}, paired by block, with the 95 % interval of each ratio (not adjusted for the number of ratios). Above 1 is faster.`;
  }
  for (const table of tables) if (state.sorts.has(table.dataset.name)) sortTable(table);
}

const absolute = new Map();

function makeView(form) {
  const view = choose("times", [["absolute", "absolute"], ["relative", "times as fast"]], (value) => {
    state.view = value;
    applyView();
    writeState(false);
  });
  const labels = [...new Set(data.parts.flatMap((part) => Object.values(part).flatMap(({ sides }) => sides)))];
  const base = choose("baseline", [["", "second fastest side"], ...labels.map((label) => [label, label])], (value) => {
    state.base = value;
    state.view = "relative";
    view.value = "relative";
    applyView();
    writeState(false);
  });
  form.append(element("label", {}, "show ", view), element("label", {}, "relative to ", base));
  for (const table of tables) {
    if (table.querySelector("td[data-side]")) table.closest(".scroll").before(element("p", { className: "view caption", hidden: true }));
  }
}
