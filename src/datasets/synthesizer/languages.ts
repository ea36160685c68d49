/** The languages documents are written in. */
export const languages = ["en", "de", "fr", "es", "it", "nl"] as const;
export type Language = (typeof languages)[number];
