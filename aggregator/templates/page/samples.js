// Every step of a case's replicates in run order, with the digits that the page has.

let everySample;

async function samplesOf(details) {
  everySample ??= unpacked("samples");
  const { levels, parts } = await everySample;
  const replicates = parts[details.closest("[data-part]").dataset.part][details.dataset.case];
  return replicates.map(([competitor, block, warmup, ...packed]) => ({ competitor, block, warmup, steps: stepsOf(levels, ...packed) }));
}

// A character is a distance from the middle in units; a larger distance is a number between two tildes.
function stepsOf(levels, unit, middle, signs) {
  const half = Math.floor(levels.length / 2);
  return [...signs.matchAll(/~(\d+)~|[^~]/g)].map(([sign, far]) => unit * (far ? Number(far) : middle + levels.indexOf(sign) - half));
}

function samplesAsCsv(replicates) {
  const lines = ["competitor,block,step,warm-up,seconds"];
  for (const { competitor, block, warmup, steps } of replicates) {
    steps.forEach((time, step) => lines.push([csvText(competitor), block, step, step < warmup, (time * 1e-9).toPrecision(6)].join(",")));
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
