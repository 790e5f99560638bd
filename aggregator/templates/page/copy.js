// Copies a table as shown, as Markdown or CSV, and the whole report as JSON.

const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

function markdownText(text) {
  // A zero-width space keeps a code host from making a link or a mention of it.
  const plain = text.replace(/(?<=@)|(?<=:)(?=\/\/)|(?<=www)(?=\.)|(?<=#)(?=\w)/gi, "\u200b");
  return plain.replace(/[&<>]/g, (sign) => entities[sign]).replace(/[\\`*_[\]|~$#]/g, "\\$&");
}

function columnsOf(table) {
  const groups = [];
  if (table.tHead.rows.length > 1) {
    for (const cell of table.tHead.rows[0].cells) groups.push(...Array(cell.colSpan).fill(textOf(cell)));
  }
  return headings(table).map((heading, index) => [groups[index], textOf(heading)].filter(Boolean).join(": "));
}

function rowsOf(table) {
  const width = headings(table).filter(textOf).length;
  return bundles(table).filter(([row]) => !row.hidden).map(([row]) => [...row.cells].slice(0, width));
}

function markdownOf(table) {
  const heads = columnsOf(table).filter(Boolean), labels = Number(table.dataset.labels);
  const line = (cells) => `| ${cells.map(markdownText).join(" | ")} |`;
  const marks = heads.map((_, index) => (index < labels ? ":--" : "--:")).join(" | ");
  return [line(heads), `| ${marks} |`, ...rowsOf(table).map((cells) => line(cells.map(textOf)))].join("\n") + "\n";
}

function csvText(text) {
  // A spreadsheet runs a text that starts like a formula.
  const inert = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${inert.replaceAll('"', '""')}"`;
}

// Each column as text and, if it has numbers, as numbers: seconds, bytes, images per second, fractions.
function csvOf(table) {
  const rows = rowsOf(table), heads = columnsOf(table).filter(Boolean);
  const number = (cell) => cell.dataset.relative ?? cell.dataset.v;
  const numbered = heads.map((_, index) => rows.some((cells) => number(cells[index]) !== undefined));
  const spread = (values) => values.flat().join(",");
  const first = spread(heads.map((head, index) => [csvText(head), ...(numbered[index] ? [csvText(`${head}, number`)] : [])]));
  const lines = rows.map((cells) => spread(cells.map((cell, index) => [csvText(textOf(cell)), ...(numbered[index] ? [number(cell) ?? ""] : [])])));
  return [first, ...lines].join("\r\n") + "\r\n";
}

function jsonOf() {
  const shown = tables.map((table) => ({
    part: table.closest("[data-part]") ? Number(table.closest("[data-part]").dataset.part) : null,
    title: table.getAttribute("aria-label"),
    columns: columnsOf(table).filter(Boolean),
    rows: rowsOf(table).map((cells) => cells.map((cell) => ({ text: textOf(cell), ...(cell.dataset.v !== undefined && { number: Number(cell.dataset.v) }) }))),
  }));
  return JSON.stringify({ title: document.title, headline: [...document.querySelectorAll(".headline li")].map((line) => line.textContent), tables: shown, ...data }, null, 1);
}

function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = element("a", { href: address, download: name });
  link.click();
  // A busy browser fetches the file late: a URL revoked after one second was too short-lived, and nothing was saved.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // If the page may not write to the clipboard, the older command may still work.
    const area = element("textarea", { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  status.textContent = "Copied.";
}

function makeButton(text, done) {
  const button = element("button", { type: "button" }, text);
  button.addEventListener("click", done);
  return button;
}

function makeTools(table) {
  const title = table.getAttribute("aria-label");
  const tools = element("div", { className: "tools" },
    makeButton("Copy as Markdown", () => copy(markdownOf(table))),
    makeButton("CSV", () => save(`${table.dataset.name}.csv`, "text/csv", csvOf(table))));
  tools.setAttribute("role", "group");
  tools.setAttribute("aria-label", title);
  table.closest(".scroll").after(tools);
}
