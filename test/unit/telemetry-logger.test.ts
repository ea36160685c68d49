import { describe, expect, it } from "vitest";
import { codedError } from "../../src/errors.ts";
import { createLogger } from "../../src/telemetry/logger.ts";

function capture(level: "info" | "debug" = "info") {
  const lines: string[] = [];
  const logger = createLogger({ level, stream: { write: (line: string) => void lines.push(line) } });
  return { logger, lines, last: () => JSON.parse(lines.at(-1)!) };
}

describe("the logger", () => {
  it("writes one JSON object a line with level, time and message", () => {
    const { logger, last, lines } = capture();
    logger.info({ step: 3 }, "trained");
    expect(last()).toMatchObject({ level: "info", step: 3, msg: "trained" });
    expect(last().time).toMatch(/^\d{4}-/);
    expect(lines[0]!.endsWith("\n")).toBe(true);
  });

  it("never lets secrets or document text through, at any of four depths", () => {
    const { logger, lines } = capture();
    const secret = "S3CRET-VALUE";
    const fields = {
      key: secret,
      token: secret,
      password: secret,
      authorization: secret,
      text: secret,
      originals: [secret],
      fake: secret,
    };
    logger.info(fields, "a");
    logger.info({ config: fields }, "b");
    logger.info({ a: { b: fields } }, "c");
    logger.info({ a: { b: { c: fields } } }, "d");
    expect(lines.join("")).not.toContain(secret);
    expect(lines.join("")).toContain("[redacted]");
  });

  it("shows the code, message and cure of an error", () => {
    const { logger, last } = capture();
    logger.error({ err: codedError("ERR_DEVICE", "no such device") }, "failed");
    expect(last().err).toMatchObject({
      code: "ERR_DEVICE",
      message: "no such device",
      cure: expect.stringContaining("doctor"),
    });
  });

  it("leaves out what is below its level", () => {
    const { logger, lines } = capture();
    logger.debug({}, "quiet");
    expect(lines).toHaveLength(0);
  });
});
