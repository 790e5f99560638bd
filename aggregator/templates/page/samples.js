// Every step of a case's replicates in run order, to four digits.

let unpacked;

async function allSamples() {
  const held = document.getElementById("samples");
  if (held.type === "application/json") return JSON.parse(held.textContent);
  const bytes = Uint8Array.from(atob(held.textContent), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

async function samplesOf(details) {
  unpacked ??= allSamples();
  return (await unpacked)[details.closest("[data-part]").dataset.part][details.dataset.case];
}

function samplesAsCsv(replicates) {
  const lines = ["competitor,block,step,warm-up,seconds"];
  for (const [competitor, block, warmup, unit, steps] of replicates) {
    steps.forEach((time, step) => lines.push([csvText(competitor), block, step, step < warmup, (time * unit * 1e-9).toPrecision(6)].join(",")));
  }
  return lines.join("\r\n") + "\r\n";
}

function makeSampleButtons() {
  if (!document.getElementById("samples")) return;
  for (const details of document.querySelectorAll("details[data-case]")) {
    const figure = details.querySelector("figure");
    figure?.after(element("div", { className: "tools" }, makeButton("Raw samples as CSV", async () =>
      save(`${details.dataset.anchor}.csv`, "text/csv", samplesAsCsv(await samplesOf(details))))));
  }
}
