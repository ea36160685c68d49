import { expect, it } from "vitest";
import { codedError, withCode } from "../../src/errors.ts";
import { packError, unpackError } from "../../src/sent-error.ts";

it("errors keep code, class, cure, details and cause on their way", () => {
  const cause = Object.assign(new Error("inner"), { name: "OddError" });
  const error = codedError("ERR_DOCUMENT_LIMIT", "too large", { cause, details: { pages: 3 }, cure: "cut it" });
  const back = unpackError(structuredClone(packError(error)));
  expect(back).toBeInstanceOf(error.constructor);
  expect(back).toMatchObject({
    code: "ERR_DOCUMENT_LIMIT",
    message: "too large",
    details: { pages: 3 },
    cure: "cut it",
  });
  expect(back.stack).toBe(error.stack);
  expect(back.cause).toMatchObject({ name: "OddError", message: "inner" });
});

it("an error without a code gets one before it is sent, and is the cause", () => {
  const error = withCode(new TypeError("inner"), "ERR_OCR_FAILED", "not read");
  const back = unpackError(JSON.parse(JSON.stringify(packError(error))));
  expect(back).toMatchObject({ code: "ERR_OCR_FAILED", message: "not read", cause: { name: "TypeError" } });
  expect(withCode(error, "ERR_NATIVE", "other")).toBe(error);
});
