/** The kinds of codes that are looked for, and those that can be made. */
import type { ReadInputBarcodeFormat, WriteInputBarcodeFormat } from "zxing-wasm/full";

/** Without kinds so loose that stripes and letters read as one (EAN-2, EAN-5, Telepen, film edges). */
export const codeFormats: readonly ReadInputBarcodeFormat[] = [
  "QRCode",
  "MicroQRCode",
  "RMQRCode",
  "DataMatrix",
  "AztecCode",
  "PDF417",
  "MicroPDF417",
  "MaxiCode",
  "EAN13",
  "EAN8",
  "UPCA",
  "UPCE",
  "Code128",
  "Code39",
  "Code93",
  "Codabar",
  "ITF",
  "DataBarOmni",
  "DataBarExp",
];

/** Format as read → format to write. */
export const writableFormats: Readonly<Record<string, WriteInputBarcodeFormat>> = {
  QRCode: "QRCode",
  QRCodeModel2: "QRCode",
  DataMatrix: "DataMatrix",
  Aztec: "AztecCode",
  AztecCode: "AztecCode",
  PDF417: "PDF417",
  EAN13: "EAN13",
  EAN8: "EAN8",
  UPCA: "UPCA",
  UPCE: "UPCE",
  Code128: "Code128",
  Code39: "Code39",
  Code39Std: "Code39",
  Code93: "Code93",
  Codabar: "Codabar",
  ITF: "ITF",
};

/** Bars side by side, told by one row; the others have modules in both directions. */
export const isLinear = (format: string): boolean => !/QR|Matrix|Aztec|PDF|Maxi|Rune/.test(format);

/** Digits at the end that the code's own rule sets. */
export const checkDigitsOf = (format: string): number => (/^(?:EAN|UPC|ISBN)/.test(format) ? 1 : 0);
