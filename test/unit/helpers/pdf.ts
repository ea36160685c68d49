/** Small PDFs written by hand. */

export interface PdfObject {
  /** What stands between "n 0 obj" and "endobj"; objects are numbered from 1. */
  readonly body: string;
  readonly stream?: string;
}

/** A file of these objects, the first of which is the catalog. */
export function pdfOf(objects: readonly PdfObject[], trailer = ""): Buffer {
  let file = "%PDF-1.7\n";
  const offsets: number[] = [];
  for (const [i, { body, stream }] of objects.entries()) {
    offsets.push(file.length);
    const content = stream === undefined ? "" : `\nstream\n${stream}\nendstream`;
    const head = stream === undefined ? body : body.replace(/>>$/, `/Length ${stream.length} >>`);
    file += `${i + 1} 0 obj\n${head}${content}\nendobj\n`;
  }
  const table = file.length;
  const rows = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  file += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}`;
  file += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R ${trailer} >>\nstartxref\n${table}\n%%EOF\n`;
  return Buffer.from(file, "latin1");
}

/** Pages of text lines in Helvetica, with a title, an author and a link. */
export function textPdf(pages: readonly (readonly string[])[], size = [400, 300], pageExtra = ""): Buffer {
  const first = 5;
  const kids = pages.map((_, i) => `${first + i * 2} 0 R`).join(" ");
  const objects: PdfObject[] = [
    { body: "<< /Type /Catalog /Pages 2 0 R >>" },
    { body: `<< /Type /Pages /Count ${pages.length} /Kids [${kids}] >>` },
    { body: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>" },
    { body: "<< /Title (Secret title) /Author (Ellen Marlow) >>" },
  ];
  for (const [i, lines] of pages.entries()) {
    const text = lines.map((line, row) => `BT /F 18 Tf 30 ${size[1]! - 50 - row * 34} Td (${line}) Tj ET`).join("\n");
    objects.push({
      body:
        `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${size.join(" ")}] ${pageExtra} ` +
        `/Resources << /Font << /F 3 0 R >> >> /Contents ${first + i * 2 + 1} 0 R >>`,
    });
    objects.push({ body: "<< >>", stream: text });
  }
  return pdfOf(objects, "/Info 4 0 R");
}
