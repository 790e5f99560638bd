// The page's tables: their cells as text, and their order.

const collator = new Intl.Collator("en", { numeric: true });

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// A row with the remarks below it: they move and hide together.
function bundles(table) {
  const found = [];
  for (const row of table.tBodies[0].rows) {
    if (row.classList.contains("remark")) found.at(-1).push(row);
    else found.push([row]);
  }
  return found;
}

function headings(table) {
  return [...table.tHead.rows[table.tHead.rows.length - 1].cells];
}

// The text of a cell; drawings have none.
function textOf(cell) {
  return [...cell.childNodes].filter((node) => node.nodeName !== "SUP").map((node) => node.textContent.trim()).filter(Boolean).join(" ");
}

function keyOf(cell) {
  const number = cell.dataset.relative ?? cell.dataset.v;
  if (number !== undefined) return Number(number);
  const text = textOf(cell);
  return text.startsWith("–") || !text ? null : text;
}

function compareKeys(one, other) {
  if (one === null || other === null) return (one === null) - (other === null);
  if (typeof one === "number" && typeof other === "number") return one - other;
  return collator.compare(one, other);
}

function sortTable(table) {
  const chosen = state.sorts.get(table.dataset.name);
  headings(table).forEach((heading, index) => {
    if (chosen?.column === index) heading.setAttribute("aria-sort", chosen.order);
    else heading.removeAttribute("aria-sort");
  });
  const turn = chosen?.order === "descending" ? -1 : 1;
  const keyed = bundles(table).map((rows) => ({ rows, key: chosen && rows[0].cells[chosen.column] ? keyOf(rows[0].cells[chosen.column]) : null }));
  keyed.sort((one, other) => {
    const apart = compareKeys(one.key, other.key);
    // Dashes stay at the end in both directions.
    const ordered = one.key === null || other.key === null ? apart : turn * apart;
    return ordered || one.rows[0].dataset.place - other.rows[0].dataset.place;
  });
  table.classList.toggle("sorted", Boolean(chosen));
  table.tBodies[0].append(...keyed.flatMap(({ rows }) => rows));
}

function makeSortable(table) {
  bundles(table).forEach(([row], index) => (row.dataset.place = index));
  headings(table).forEach((heading, column) => {
    const text = textOf(heading);
    if (!text || heading.querySelector(".axis")) return;
    const button = element("button", { type: "button", className: "sort", title: `Sort by ${text}` }, ...heading.childNodes);
    button.addEventListener("click", () => {
      const now = state.sorts.get(table.dataset.name);
      const turned = now?.column === column ? now.order : "";
      if (turned === "descending") state.sorts.delete(table.dataset.name);
      else state.sorts.set(table.dataset.name, { column, order: turned ? "descending" : "ascending" });
      sortTable(table);
      writeState(false);
    });
    heading.replaceChildren(button);
  });
}
