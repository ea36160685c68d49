// Writes demo-out/index.html: one self-contained page with loss curves, samples, before/after with boxes, and reports.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, extname, join, parse, relative } from "node:path";

const html = (text) =>
  String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

/** An SVG line chart of one loss over steps, raw in grey and smoothed in colour. */
function chart(title, points, validation) {
  const [width, height, left, bottom] = [520, 200, 52, 24];
  if (points.length === 0) return "";
  const steps = points.at(-1).step;
  const values = points.map((p) => p.value);
  const top = Math.max(
    ...values.toSorted((a, b) => a - b).slice(0, Math.max(1, Math.ceil(values.length * 0.99))),
    ...validation.map((p) => p.value),
  );
  const x = (step) => left + (step / steps) * (width - left - 8);
  const y = (value) => 8 + (1 - Math.min(value, top) / top) * (height - bottom - 8);
  const line = (list) =>
    list.map((p, i) => `${i ? "L" : "M"}${x(p.step).toFixed(1)} ${y(p.value).toFixed(1)}`).join("");
  let average = values[0];
  const smooth = points.map(({ step, value }) => {
    average += 0.1 * (value - average);
    return { step, value: average };
  });
  const marks = [0, 0.5, 1].map(
    (share) =>
      `<text x="${left - 6}" y="${y(top * share) + 4}" text-anchor="end">${(top * share).toPrecision(2)}</text><line x1="${left}" x2="${width - 8}" y1="${y(top * share)}" y2="${y(top * share)}" class="grid"/>`,
  );
  return `<figure><figcaption>${html(title)}: ${values[0].toPrecision(3)} → ${smooth.at(-1).value.toPrecision(3)}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${html(title)} over steps">${marks.join("")}
<text x="${left}" y="${height - 6}">0</text><text x="${width - 8}" y="${height - 6}" text-anchor="end">${steps} steps</text>
<path d="${line(points)}" class="raw"/><path d="${line(smooth)}" class="smooth"/>
${validation.map((p) => `<circle cx="${x(p.step)}" cy="${y(p.value)}" r="3.5" class="validation"/>`).join("")}</svg></figure>`;
}

function curves(name, events) {
  const steps = [...new Map(events.filter((e) => e.type === "step").map((e) => [e.step, e])).values()].sort(
    (a, b) => a.step - b.step,
  );
  const terms = Object.keys(steps[0]?.losses ?? {});
  const of = (type, term) =>
    events.filter((e) => e.type === type).map((e) => ({ step: e.step, value: e.losses[term] }));
  return terms
    .filter((term) => (terms.length === 2 ? term !== "total" : true))
    .map((term) =>
      chart(
        `${name} ${term}`,
        steps.map((e) => ({ step: e.step, value: e.losses[term] })),
        of("validation", term),
      ),
    )
    .join("\n");
}

const mime = { ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp" };
const dataUrl = (file) =>
  `data:${mime[extname(file).toLowerCase()] ?? "image/png"};base64,${readFileSync(file).toString("base64")}`;

const colours = [
  "#d4145a",
  "#0071bc",
  "#009245",
  "#c1272d",
  "#93278f",
  "#f7931e",
  "#29abe2",
  "#8c6239",
  "#22b573",
  "#736357",
  "#2e3192",
];

function picture(file, report, page, withBoxes) {
  const size = report.document.pages[page];
  const types = [...new Set(report.entities.map((e) => e.type))];
  const boxes = report.entities
    .filter((e) => e.page === page)
    .map(({ box: [x0, y0, x1, y1], type, fake, engine, confidence }) => {
      const title = withBoxes ? type : `${type}: ${fake ?? "covered"} (${engine}, confidence ${confidence.toFixed(2)})`;
      return `<rect x="${x0}" y="${y0}" width="${x1 - x0}" height="${y1 - y0}" stroke="${colours[types.indexOf(type) % colours.length]}"><title>${html(title)}</title></rect>`;
    });
  return `<svg viewBox="0 0 ${size.width} ${size.height}" class="page"><image href="${dataUrl(file)}" width="${size.width}" height="${size.height}"/><g class="boxes">${boxes.join("")}</g></svg>`;
}

function findOne(folder, test) {
  const name = existsSync(folder)
    ? readdirSync(folder, { recursive: true }).find((entry) => test(basename(String(entry))))
    : undefined;
  return name === undefined ? undefined : join(folder, String(name));
}

function documentSection(input, folders) {
  const stem = parse(input).name;
  const parts = Object.entries(folders).flatMap(([engine, folder]) => {
    const reportFile = findOne(folder, (name) => name.startsWith(stem) && name.endsWith(".report.json"));
    if (!reportFile) return [];
    const result = findOne(folder, (name) => parse(name).name === stem && mime[extname(name)]);
    return [{ engine, report: JSON.parse(readFileSync(reportFile, "utf8")), result }];
  });
  if (parts.length === 0)
    return `<section><h3>${html(basename(input))}</h3><p>No result; see the terminal output.</p></section>`;
  const before = `<div><h4>before</h4>${picture(input, parts[0].report, 0, true)}</div>`;
  const after = parts.map(({ engine, report, result }) => {
    const engines = [...new Set(report.entities.map((e) => e.engine))];
    const drawn = engines
      .map((name) => `${report.entities.filter((e) => e.engine === name).length} drawn by ${name}`)
      .join(", ");
    const state = report.proven
      ? `<span class="proven">proven</span>`
      : `<span class="unproven">not proven: ${html(report.unproven_because.join("; "))}</span>`;
    return `<div><h4>after, engine ${engine}</h4>${result ? picture(result, report, 0, false) : "<p>not written, because it was not proven</p>"}
<p>${state}; confidence ${report.confidence.toFixed(2)}; ${drawn}; ${report.verification.outside.changed} of ${report.verification.outside.compared} values changed outside</p>
<details><summary>report</summary><pre>${html(JSON.stringify(report, null, 2))}</pre></details></div>`;
  });
  return `<section><h3>${html(basename(input))}</h3><div class="columns">${before}${after.join("")}</div></section>`;
}

function samples(out, run) {
  const folder = join(out, run, "samples");
  if (!existsSync(folder)) return "";
  const last = readdirSync(folder)
    .filter((name) => name.endsWith(".png"))
    .sort()
    .at(-1);
  return last
    ? `<figure><figcaption>${run === "vae" ? "VAE: original and reconstruction" : "UNet: original, mask, repainted"} (${last})</figcaption><img src="${dataUrl(join(folder, last))}" alt="samples of ${run}"></figure>`
    : "";
}

/** Returns the page's path. */
export function writeDemoPage({ out, inputs, folders, runs, minutes }) {
  const file = join(out, "index.html");
  const text = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>anonymizer-native: demo</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:1400px;margin:2rem auto;padding:0 1rem;color:#222;background:#fafafa}
h1,h2,h3,h4{line-height:1.2}.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:1rem}
.row{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;background:#fff;border:1px solid #ddd;padding:.5rem;flex:1 1 420px;max-width:640px}
figure img{width:100%;image-rendering:auto}svg text{font-size:11px;fill:#555}.grid{stroke:#eee}.raw{fill:none;stroke:#ccc}.smooth{fill:none;stroke:#0071bc;stroke-width:2}
.validation{fill:#f7931e}.page{width:100%;height:auto;background:#fff;border:1px solid #ccc}.boxes rect{fill:transparent;stroke-width:2;vector-effect:non-scaling-stroke}
.noboxes .boxes{visibility:hidden}.proven{color:#067a2e;font-weight:600}.unproven{color:#b00;font-weight:600}pre{max-height:24rem;overflow:auto;background:#f0f0f0;padding:.5rem;font-size:12px}
</style>
<h1>anonymizer-native: demo</h1>
<p>Made in ${minutes.toFixed(1)} minutes by <code>npm run demo</code>. Every person, company and number on the synthetic documents is invented.
The trained models are tiny ones that show how training goes; what draws is the classical engine, and beside it the diffusion
engine with the models that come with the package. Where its drawing does not pass its gate, the classical engine draws, and the
report says so.</p>
<p><label><input type="checkbox" checked onchange="document.body.classList.toggle('noboxes',!this.checked)"> show boxes</label></p>
<h2>Training</h2><p>Grey: every step; blue: smoothed; orange: validation. The VAE run was stopped and resumed.</p>
<div class="row">${curves("VAE", runs.vae)}${curves("UNet", runs.unet)}</div><div class="row">${samples(out, "vae")}${samples(out, "unet")}</div>
<h2>Documents</h2>${inputs.map((input) => documentSection(input, folders)).join("\n")}
<p>Files: ${Object.values(folders)
    .map((folder) => `<code>${html(relative(out, folder))}/</code>`)
    .join(", ")}</p></html>`;
  writeFileSync(file, text);
  return file;
}
