/** The review page in a browser: it moves, it can be used by keyboard, and it asks nobody for anything. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeDocument } from "../../src/documents/encode.ts";
import { createImage } from "../../src/documents/image.ts";
import { writePreviewPage } from "../../src/preview/write-preview.ts";
import { sampleReport } from "../helpers/sample-report.ts";

const browser = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path),
);
if (browser === undefined) console.log("skipped: there is no Chromium on this machine");

/** The browser's own protocol over its pipes: messages of JSON that end with NUL. */
class Tab {
  readonly #process: ChildProcess;
  readonly #answers = new Map<number, (answer: { result?: unknown; error?: { message: string } }) => void>();
  readonly events: { method: string; params: Record<string, unknown> }[] = [];
  #session: string | undefined;
  #last = 0;

  private constructor(process: ChildProcess) {
    this.#process = process;
    let rest = "";
    (process.stdio[4] as Readable).on("data", (chunk: Buffer) => {
      const messages = (rest + chunk.toString("utf8")).split("\0");
      rest = messages.pop()!;
      for (const text of messages) {
        const message = JSON.parse(text);
        if (message.id === undefined) this.events.push(message);
        else this.#answers.get(message.id)?.(message);
      }
    });
  }

  static async open(executable: string, profile: string): Promise<Tab> {
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=1200,800"];
    const process = spawn(executable, [...flags, `--user-data-dir=${profile}`], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    const tab = new Tab(process);
    const { targetId } = await tab.send<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await tab.send<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
    tab.#session = sessionId;
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await tab.send(`${domain}.enable`);
    return tab;
  }

  send<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.#last;
    const message = { id, method, params, ...(this.#session === undefined ? {} : { sessionId: this.#session }) };
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ result, error }) => (error ? reject(new Error(error.message)) : resolve(result as T)));
      (this.#process.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    });
  }

  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send<{ result: { value: T }; exceptionDetails?: object }>(
      "Runtime.evaluate",
      { expression, returnByValue: true, awaitPromise: true },
    );
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  async press(key: string): Promise<void> {
    for (const type of ["keyDown", "keyUp"]) await this.send("Input.dispatchKeyEvent", { type, key });
  }

  async load(url: string): Promise<void> {
    await this.send("Page.navigate", { url });
    for (let i = 0; i < 200 && !this.events.some(({ method }) => method === "Page.loadEventFired"); i++) {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Resolves when the page has been drawn with all that happened so far: sizes are observed once a frame. */
  async frame(): Promise<void> {
    await this.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))");
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    await this.send("Browser.close").catch(() => {});
    await ended;
  }
}

let folder: string;
let tab: Tab;
const [width, height] = [800, 1000];

beforeAll(async () => {
  if (browser === undefined) return;
  folder = await mkdtemp(join(tmpdir(), "preview-browser-"));
  const page = { image: createImage(width, height), index: 0 };
  const tiff = await encodeDocument([page, { ...page, index: 1 }], "tiff");
  const path = join(folder, "page.html");
  const title = `<img src=x onerror="document.title='broken out'"> & "quotes"`;
  await writePreviewPage(path, { title, report: sampleReport(width, height), result: tiff, original: tiff });
  tab = await Tab.open(browser, join(folder, "profile"));
  await tab.load(`file://${path}`);
});
afterAll(async () => {
  if (browser === undefined) return;
  await tab?.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

describe.skipIf(browser === undefined)("the review page", () => {
  it("shows both pictures, runs under its own policy, and asks nobody for anything", async () => {
    expect(await tab.evaluate("[...document.images].map((i) => i.complete && i.naturalWidth)")).toEqual(
      Array.from({ length: 4 }, () => width),
    );
    expect(await tab.evaluate("document.title")).toContain("onerror");
    expect(await tab.evaluate("document.querySelectorAll('h1 img').length")).toBe(0);
    const requests = tab.events.filter(({ method }) => method === "Network.requestWillBeSent");
    const urls = requests.map(({ params }) => (params["request"] as { url: string }).url);
    expect(urls.filter((url) => !url.startsWith("data:") && !url.endsWith("/page.html"))).toEqual([]);
    expect(
      tab.events.filter(({ method }) => method === "Log.entryAdded" || method === "Runtime.exceptionThrown"),
    ).toEqual([]);
    const { scrollHeight, clientHeight } = await tab.evaluate<Record<string, number>>(
      "(({ scrollHeight, clientHeight }) => ({ scrollHeight, clientHeight }))(document.documentElement)",
    );
    expect(scrollHeight).toBe(clientHeight);
    // What is put in later can't run.
    await tab.evaluate("document.body.insertAdjacentHTML('beforeend', '<b id=x onclick=\"document.title=1\">x</b>')");
    await tab.evaluate("document.querySelector('#x').click(), document.querySelector('#x').remove()");
    expect(await tab.evaluate("document.title")).toContain("onerror");
  });

  it("moves both views alike, by keys and by wheel", async () => {
    const transforms = async () => {
      await tab.frame();
      return tab.evaluate<string[]>(
        "[...document.querySelectorAll('.page:not([hidden]) .stage')].map((s) => s.style.transform)",
      );
    };
    const before = await transforms();
    expect(before).toHaveLength(2);
    await tab.press("+");
    const zoomed = await transforms();
    expect(zoomed[0]).not.toBe(before[0]);
    expect(zoomed[1]).toBe(zoomed[0]);
    await tab.send("Input.dispatchMouseEvent", { type: "mouseWheel", x: 600, y: 400, deltaX: 0, deltaY: -600 });
    const wheeled = await transforms();
    expect(wheeled[0]).not.toBe(zoomed[0]);
    expect(wheeled[1]).toBe(wheeled[0]);
    await tab.press("0");
    expect(await transforms()).toEqual(before);
  });

  it("keeps the whole page in sight when the window changes its size, and a chosen zoom as it is", async () => {
    const scale = async () => {
      await tab.frame();
      return tab.evaluate<number>(
        "Number(/scale\\((.+)\\)/.exec(document.querySelector('.stage').style.transform)[1])",
      );
    };
    const resize = (height: number) =>
      tab.send("Emulation.setDeviceMetricsOverride", { width: 1200, height, deviceScaleFactor: 1, mobile: false });
    const full = await scale();
    await resize(500);
    expect(await scale()).toBeLessThan(full * 0.8);
    await tab.press("+");
    const zoomed = await scale();
    await resize(600);
    expect(await scale()).toBe(zoomed);
    await tab.send("Emulation.clearDeviceMetricsOverride");
    await tab.press("0");
    expect(await scale()).toBe(full);
  });

  it("steps through the findings by keyboard and says them, over pages", async () => {
    await tab.press("j");
    expect(await tab.evaluate("document.activeElement.className")).toContain("finding");
    const said = await tab.evaluate<string>("document.querySelector('#said').textContent");
    expect(said).toMatch(/^Finding 1 of 3: An original can still be read/);
    expect(await tab.evaluate("document.querySelectorAll('rect.chosen').length")).toBe(2);
    await tab.press("j");
    await tab.press("j");
    expect(await tab.evaluate("document.querySelector('.page:not([hidden])').getAttribute('aria-label')")).toBe(
      "Page 2",
    );
    expect(await tab.evaluate("document.querySelector('#said').textContent")).toContain("Olga Sandmann");
    expect(await tab.evaluate("document.querySelectorAll('[aria-pressed=true]').length")).toBe(1);
    // The chosen box is in sight, in both views.
    const inSight = await tab.evaluate<boolean[]>(`[...document.querySelectorAll('rect.chosen')].map((r) => {
      const [box, view] = [r.getBoundingClientRect(), r.closest('.view').getBoundingClientRect()];
      return box.left >= view.left && box.right <= view.right && box.top >= view.top && box.bottom <= view.bottom;
    })`);
    expect(inSight).toEqual([true, true]);
  });

  it("names everything that can be used", async () => {
    const { nodes } = await tab.send<{
      nodes: { ignored: boolean; role?: { value: string }; name?: { value: string } }[];
    }>("Accessibility.getFullAXTree");
    const used = nodes.filter(
      ({ ignored, role }) => !ignored && /^(button|link|checkbox|image|group)$/.test(role?.value ?? ""),
    );
    expect(used.length).toBeGreaterThan(8);
    expect(used.filter(({ name }) => !name?.value)).toEqual([]);
  });
});
