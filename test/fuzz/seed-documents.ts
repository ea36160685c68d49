/** Small whole documents of every kind that is read, from which damaged ones are made. */
import sharp, { type Sharp } from "sharp";
import { encodeDocument } from "../../src/documents/encode.ts";
import { createImage, type RasterImage } from "../../src/documents/image.ts";
import { pdfOf, textPdf } from "../unit/helpers/pdf.ts";

export interface SeedDocument {
  readonly name: string;
  readonly file: Buffer;
}

/** Stripes and spots, in colour or grey. */
function pattern(width: number, height: number, grey = false): RasterImage {
  const image = createImage(width, height);
  for (let i = 0; i < image.data.length; i++) {
    const at = grey ? Math.floor(i / 3) : i;
    image.data[i] = (at % 7 === 0 ? 40 : 200) + ((at * 7919) % 51);
  }
  return image;
}

const picture = (width = 64, height = 40, grey = false): Sharp =>
  sharp(pattern(width, height, grey).data, { raw: { width, height, channels: 3 } });

const exif = { IFD0: { Artist: "Ellen Marlow", ImageDescription: "a note" } };

export async function seedDocuments(): Promise<SeedDocument[]> {
  const pages = [pattern(50, 30), pattern(20, 60, true), pattern(33, 33)].map((image, index) => ({ index, image }));
  const made: Record<string, Buffer | Promise<Buffer>> = {
    "png rgb": picture().png().toBuffer(),
    "png palette, interlaced": picture().png({ palette: true, progressive: true }).toBuffer(),
    "png 16 bits with exif and icc": picture()
      .toColourspace("rgb16")
      .withExif(exif)
      .withIccProfile("p3")
      .png()
      .toBuffer(),
    "png grey with alpha": picture(40, 40, true).ensureAlpha(0.5).toColourspace("b-w").png().toBuffer(),
    "jpeg baseline": picture().jpeg({ quality: 80 }).toBuffer(),
    "jpeg progressive with exif": picture()
      .withExif(exif)
      .withMetadata({ orientation: 6 })
      .jpeg({ progressive: true })
      .toBuffer(),
    "jpeg cmyk": picture().toColourspace("cmyk").jpeg().toBuffer(),
    "jpeg grey": picture(70, 30, true).toColourspace("b-w").jpeg({ optimiseCoding: true }).toBuffer(),
    "webp lossy": picture().webp({ quality: 60 }).toBuffer(),
    "webp lossless": picture().webp({ lossless: true }).toBuffer(),
    "webp with alpha and exif": picture().ensureAlpha(0.4).withExif(exif).webp().toBuffer(),
    "tiff of three pages": encodeDocument(pages, "tiff"),
    "tiff lzw": picture().tiff({ compression: "lzw", predictor: "horizontal" }).toBuffer(),
    "tiff jpeg, tiled": picture(80, 80)
      .tiff({ compression: "jpeg", tile: true, tileWidth: 32, tileHeight: 32 })
      .toBuffer(),
    "tiff 1 bit, fax": picture(80, 60, true)
      .toColourspace("b-w")
      .tiff({ compression: "ccittfax4", bitdepth: 1 })
      .toBuffer(),
    "tiff pyramid": picture(200, 160).tiff({ compression: "deflate", pyramid: true, tile: true }).toBuffer(),
    "pdf of text": textPdf([["One", "line"], ["Two"]], [150, 100]),
    "pdf of pictures": encodeDocument(
      pages.map((page) => ({ ...page, points: { width: 60, height: 40 } })),
      "pdf",
    ),
    "pdf with notes, a form and a shading": richPdf(),
  };
  return Promise.all(Object.entries(made).map(async ([name, file]) => ({ name, file: await file })));
}

function richPdf(): Buffer {
  return pdfOf([
    { body: "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] /NeedAppearances true >> >>" },
    { body: "<< /Type /Pages /Count 1 /Kids [3 0 R] >>" },
    {
      body:
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 120 90] /Rotate 90 /Annots [6 0 R 7 0 R] /Contents 4 0 R " +
        "/Resources << /XObject << /P 5 0 R /F 8 0 R >> /Shading << /S << /ShadingType 2 /ColorSpace /DeviceRGB " +
        "/Coords [0 0 90 90] /Function << /FunctionType 2 /Domain [0 1] /C0 [1 0 0] /C1 [0 0 1] /N 1 >> >> >> >> >>",
    },
    { body: "<< >>", stream: "q 60 0 0 60 5 5 cm /P Do Q q /S sh Q /F Do 10 w 0 0 m 50 80 90 10 100 60 c S" },
    {
      body: "<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /BitsPerComponent 8 /ColorSpace /DeviceRGB /Filter /ASCIIHexDecode >>",
      stream: "ff0000 00ff00 0000ff ffffff>",
    },
    { body: "<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /V (value) /DA (/Helv 12 Tf 0 g) /Rect [10 10 80 30] >>" },
    { body: "<< /Type /Annot /Subtype /Square /Rect [20 40 60 70] /C [1 0 0] /IC [0 1 0] /F 4 >>" },
    { body: "<< /Type /XObject /Subtype /Form /BBox [0 0 50 50] >>", stream: "0.5 g 0 0 30 30 re f" },
  ]);
}
