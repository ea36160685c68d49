/** Pages that load nothing and run nothing but their own script. */
import { createHash } from "node:crypto";
import { pageStyle } from "./page-style.ts";

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for an element or a quoted attribute. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => escapes[c]!);

/** JSON for a `<script type="application/json">`: no text in it can end the element. */
export const inlineJson = (value: unknown): string => JSON.stringify(value).replace(/</g, "\\u003c");

const sourceOf = (content: string): string => `'sha256-${createHash("sha256").update(content).digest("base64")}'`;

/** A whole page. `body` holds escaped HTML without inline styles; `script` is the only script that may run. */
export function htmlPage(title: string, body: string, script = ""): string {
  const policy = [
    "default-src 'none'",
    "img-src data:",
    `style-src ${sourceOf(pageStyle)}`,
    `script-src ${script === "" ? "'none'" : sourceOf(script)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
${body}
${script === "" ? "" : `<script>${script}</script>\n`}</body>
</html>
`;
}
