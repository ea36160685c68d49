/** Endings of internet names. */

/** Only these count where OCR has lost the point before them; others are too often words. */
const endings =
  "com|net|org|info|biz|shop|store|online|app|dev|io|eu|de|at|ch|fr|be|lu|es|pt|it|nl|uk|ie|us|ca|mx|br|my|sg|id|th|in|cn|jp|au|nz|dk|se|no|fi|pl|cz|ro|gr|example|test";
const second = "co|com|net|org|gov|edu|ac|or";

/** Host names as a source of a regular expression: labels, then a known ending, with single spaces for lost points. */
export const hostName = String.raw`[\p{L}\d](?:[\p{L}\d~-]*[\p{L}\d])?(?:\s?[.,]\s?[\p{L}\d-]+){0,3}(?:\s?[.,]\s?|\s)(?:(?:${second})(?:\s?[.,]\s?|\s))?(?:${endings})`;

/** Host names without any space. */
export const plainHostName = String.raw`(?:[\p{L}\d](?:[\p{L}\d-]*[\p{L}\d])?\.){1,4}(?:${endings})`;
