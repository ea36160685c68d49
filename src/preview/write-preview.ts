/**
 * Review pages: for each document a page with the result (beside the original, when asked for), the replaced places drawn
 * in, and the report's findings to step through; for a run a page that lists them. Each is one file that needs no network.
 */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import sharp, { type Sharp } from "sharp";
import { entityTypes } from "../detection/entity.ts";
import { type DocumentInput, decodeDocument } from "../documents/decode.ts";
import { removeStaleTemporaries, writeFileAtomic } from "../documents/files.ts";
import type { Box } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import type { DocumentLimits } from "../documents/limits.ts";
import { codedError, throwIfAborted } from "../errors.ts";
import type { Report } from "../report.ts";
import { escapeHtml, htmlPage, inlineJson } from "./html.ts";
import { pageScript } from "./page-script.ts";

export interface PreviewPage {
  /** Shown as the page's name. */
  readonly title: string;
  readonly report: Report;
  /** The encoded result. Leave it out for a document that could not be proven: its pixels may show originals. */
  readonly result?: Uint8Array;
  /**
   * The input, to be shown beside the result. The page then holds personal data, also the originals that the report may
   * have, and is readable by its owner only. Without it no page shows an original.
   */
  readonly original?: DocumentInput;
  /** Link to the page that lists the run. */
  readonly indexHref?: string;
  /** Of the configuration that the document was anonymized with; default: those of `decodeDocument`. */
  readonly limits?: Partial<DocumentLimits>;
  readonly signal?: AbortSignal;
}

/** One document in the list of a run. */
export interface PreviewDocument {
  readonly name: string;
  readonly status: "proven" | "unproven" | "failed" | "planned";
  readonly confidence: number | null;
  /** Count per type. */
  readonly entities: Readonly<Record<string, number>>;
  /** Why it is not proven, or has failed. */
  readonly problems: readonly string[];
  /** Its review page, relative to the list. */
  readonly href?: string;
}

/** A finding as the page lists it. */
interface Shown {
  readonly page: number;
  readonly box: Box;
  /** Number of the colour; undefined for a problem. */
  readonly colour: number | undefined;
  readonly type: string;
  readonly what: string;
  readonly score: string;
  readonly why: string;
}

/** As many as the style sheet has. */
const colours = 11;
/** Of the pictures in the page: good enough to read small print. */
const quality = 84;

/**
 * Writes the review page of a document; the folder is made. Rejects with ERR_DOCUMENT_* when a picture can't be read,
 * ERR_OUTPUT, ERR_ABORTED.
 */
export async function writePreviewPage(path: string, options: PreviewPage): Promise<void> {
  const { report, original } = options;
  const results = options.result === undefined ? [] : await pictures(options.result, options);
  const originals = original === undefined ? [] : await pictures(original, options);
  const findings = shownFindings(report, original !== undefined);
  const pages = report.document.pages.map((size, index) =>
    pageHtml({ index, size, result: results[index], original: originals[index], findings, unproven: !report.proven }),
  );
  const data = { pages: report.document.pages, findings: findings.map(({ page, box }) => ({ page, box })) };
  const body = `<a class="skip" href="#findings">To the findings</a>
<div class="review">
${headerHtml(options)}
<nav class="side" id="findings" aria-label="Findings">
${sideHtml(report, findings)}
</nav>
<main>
${pages.join("\n")}
</main>
</div>
<p id="said" class="hidden-text" role="status" aria-live="polite"></p>
<script type="application/json" id="data">${inlineJson(data)}</script>`;
  await writePage(path, htmlPage(`${options.title} – review`, body, pageScript), original !== undefined);
}

/** Writes the list of a run. Rejects with ERR_OUTPUT. */
export async function writePreviewIndex(path: string, documents: readonly PreviewDocument[]): Promise<void> {
  const count = (status: PreviewDocument["status"]): number => documents.filter((d) => d.status === status).length;
  const [unproven, failed] = [count("unproven"), count("failed")];
  const rows = documents.map(({ name, status, confidence, entities, problems, href }) => {
    const shown = escapeHtml(name);
    const types = Object.entries(entities).map(([type, n]) => `${n} ${escapeHtml(type)}`);
    return `<tr><td>${href === undefined ? shown : `<a href="${escapeHtml(href)}">${shown}</a>`}</td>
<td>${badge(status)}${problems.map((problem) => `<br><span class="facts">${escapeHtml(problem)}</span>`).join("")}</td>
<td class="number">${confidence === null ? "" : confidence.toFixed(2)}</td><td>${types.join(", ")}</td></tr>`;
  });
  const warning =
    unproven + failed === 0
      ? ""
      : `<p class="warning">${unproven} could not be proven and ${failed} failed: of these no result was written.</p>`;
  const body = `<main class="list">
<h1>Review of ${documents.length} ${documents.length === 1 ? "document" : "documents"}</h1>
<p class="facts">${count("proven")} proven: read again, without finding an original, and unchanged outside the replaced places.</p>
${warning}
<table>
<caption class="hidden-text">Documents of this run</caption>
<thead><tr><th scope="col">Document</th><th scope="col">Result</th><th scope="col" class="number">Confidence</th><th scope="col">Replaced</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>
</main>`;
  await writePage(path, htmlPage("Review", body), false);
}

async function writePage(path: string, html: string, secret: boolean): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, ...(secret ? { mode: 0o700 } : {}) }).catch((cause: unknown) => {
    throw codedError("ERR_OUTPUT", `The folder ${folder} can't be made`, { cause });
  });
  await removeStaleTemporaries(folder);
  await writeFileAtomic(path, html, secret ? { mode: 0o600 } : {});
}

/** The pages of a document as data: URLs. */
async function pictures(
  input: DocumentInput,
  { limits, signal }: Pick<PreviewPage, "limits" | "signal">,
): Promise<string[]> {
  const { pages } = await decodeDocument(input, { ...(limits && { limits }), ...(signal && { signal }) });
  const urls: string[] = [];
  for (const { image } of pages) {
    throwIfAborted(signal);
    urls.push(await pictureUrl(image));
  }
  return urls;
}

async function pictureUrl({ data, width, height }: RasterImage): Promise<string> {
  const raw = sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false });
  // WebP holds 16,383 pixels a side.
  if (Math.max(width, height) > 16_383) return `data:image/jpeg;base64,${await base64(raw.jpeg({ quality }))}`;
  return `data:image/webp;base64,${await base64(raw.webp({ quality, effort: 2 }))}`;
}

const base64 = async (image: Sharp): Promise<string> => (await image.toBuffer()).toString("base64");

function shownFindings(report: Report, originals: boolean): Shown[] {
  const replaced = report.entities.map((entity): Shown => {
    const original = originals && entity.original !== undefined ? `was “${entity.original}”; ` : "";
    return {
      page: entity.page,
      box: entity.box,
      colour: entityTypes.indexOf(entity.type) % colours,
      type: entity.type,
      what: entity.fake ?? "covered by a solid box",
      score: entity.confidence.toFixed(2),
      why: `${entity.type.replace("_", " ")}: ${original}found by ${entity.recognizer} (${entity.reason}), drawn by ${entity.engine}`,
    };
  });
  const leaks = report.verification.leaks.flatMap((leak) =>
    leak.boxes.map(
      (box): Shown => ({
        page: leak.page,
        box,
        colour: undefined,
        type: "leak",
        what: "An original can still be read",
        score: leak.similarity.toFixed(2),
        why: `value of ${leak.entity}`,
      }),
    ),
  );
  const unknown = report.verification.redetection.unknown.map(
    ({ type, page, box, score }): Shown => ({
      page,
      box,
      colour: undefined,
      type: "unknown",
      what: `Looks like ${type.replace("_", " ")}, was not replaced`,
      score: score.toFixed(2),
      why: "found when the result was read again",
    }),
  );
  return [...leaks, ...unknown, ...replaced];
}

function headerHtml({ title, report, indexHref }: PreviewPage): string {
  const several = report.document.pages.length > 1;
  return `<header>
${indexHref === undefined ? "" : `<a href="${escapeHtml(indexHref)}">All documents</a>`}
<h1>${escapeHtml(title)}</h1>
${badge(report.proven ? "proven" : "unproven")}
<span class="facts">confidence ${report.confidence.toFixed(2)} · engine ${escapeHtml(report.engine.chosen)} · ${report.entities.length} replaced</span>
<div class="tools" role="toolbar" aria-label="View">
${several ? '<button type="button" data-do="previous">Previous page</button><output id="page"></output><button type="button" data-do="next">Next page</button>' : ""}
<label><input type="checkbox" id="boxes" checked> Boxes</label>
<button type="button" data-do="out" aria-label="Zoom out">−</button>
<output id="zoom" aria-label="Zoom">100 %</output>
<button type="button" data-do="in" aria-label="Zoom in">+</button>
<button type="button" data-do="fit">Whole page</button>
</div>
</header>`;
}

const badges = {
  proven: '<span class="badge good">Proven</span>',
  unproven: '<span class="badge bad">Not proven</span>',
  failed: '<span class="badge bad">Failed</span>',
  planned: '<span class="badge">Looked at</span>',
} as const;
const badge = (status: PreviewDocument["status"]): string => badges[status];

function sideHtml(report: Report, findings: readonly Shown[]): string {
  const item = (finding: Shown): string =>
    `<li><button type="button" class="finding${finding.colour === undefined ? "" : ` t${finding.colour}`}" aria-pressed="false" aria-label="${escapeHtml(`${finding.what}, page ${finding.page + 1}, ${finding.why}`)}"><span class="dot${finding.colour === undefined ? " t8" : ""}"></span><span class="what">${escapeHtml(finding.what)}</span><span class="score">${finding.score}</span><span class="why">${escapeHtml(finding.why)}</span></button></li>`;
  const problems = findings.filter(({ colour }) => colour === undefined);
  const lists = [
    ["To look at", problems],
    ["Replaced", findings.slice(problems.length)],
  ] as const;
  const reasons = report.unproven_because.map((reason) => `<p class="badge bad">${escapeHtml(reason)}</p>`);
  const { words, areas, share } = report.verification.unread;
  return `${reasons.join("\n")}
${lists
  .filter(([, list]) => list.length > 0)
  .map(([name, list]) => `<h2>${name} (${list.length})</h2>\n<ol>\n${list.map(item).join("\n")}\n</ol>`)
  .join("\n")}
${findings.length === 0 ? "<p>Nothing to replace was found.</p>" : ""}
<h2>Not read</h2>
<p class="keys">${words} doubtful words, ${areas} inky areas without words, ${(share * 100).toFixed(1)} % of the ink. What can't be read can't be found.</p>
<h2>Keys</h2>
<p class="keys"><kbd>j</kbd> <kbd>k</kbd> next, previous finding · <kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd> zoom · arrows move · <kbd>b</kbd> boxes${report.document.pages.length > 1 ? " · <kbd>PgUp</kbd> <kbd>PgDn</kbd> pages" : ""}</p>`;
}

interface PageParts {
  readonly index: number;
  readonly size: { readonly width: number; readonly height: number };
  readonly result: string | undefined;
  readonly original: string | undefined;
  readonly findings: readonly Shown[];
  readonly unproven: boolean;
}

function pageHtml({ index, size, result, original, findings, unproven }: PageParts): string {
  const boxes = findings
    .map((finding, i) => ({ ...finding, i }))
    .filter(({ page }) => page === index)
    .map(({ box: [x0, y0, x1, y1], colour, i }) => {
      const kind = colour === undefined ? "problem" : `box t${colour}`;
      return `<rect class="${kind}" data-finding="${i}" x="${x0}" y="${y0}" width="${x1 - x0}" height="${y1 - y0}"/>`;
    })
    .join("");
  const pane = (name: string, picture: string): string =>
    `<figure class="pane"><figcaption>${name}</figcaption><div class="view" tabindex="0" role="group" aria-label="${name}, page ${index + 1}: arrows move, plus and minus zoom"><div class="stage"><img src="${picture}" width="${size.width}" height="${size.height}" alt="${name}, page ${index + 1}" draggable="false"><svg viewBox="0 0 ${size.width} ${size.height}" aria-hidden="true">${boxes}</svg></div></div></figure>`;
  const panes = [
    ...(original === undefined ? [] : [pane("Original", original)]),
    ...(result === undefined ? [] : [pane("Result", result)]),
  ];
  const nothing = `<p class="nothing">${
    unproven
      ? "The result could not be proven, so it is not shown: originals might still be readable in it."
      : "There is no picture of this page."
  }</p>`;
  return `<section class="page desk" aria-label="Page ${index + 1}"${index > 0 ? " hidden" : ""}>${panes.join("")}${result === undefined ? nothing : ""}</section>`;
}
