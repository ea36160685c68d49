/** What makes a review page move: the same zoom and place in both views, and findings to step through. Runs in a browser. */
export const pageScript = `
"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector) => document.querySelector(selector);
const data = JSON.parse(one("#data").textContent);
const pages = all(".page");
const findings = all(".finding");
const [zoomShown, said, boxesShown] = [one("#zoom"), one("#said"), one("#boxes")];
let page = 0;
let chosen = -1;
/** Page pixels at the top left of the views, and view pixels to one of the page. */
const look = { x: 0, y: 0, scale: 1 };
/** Whether the whole page is to be seen, also after the window's size has changed. */
let whole = true;

const views = () => (pages[page] ? all(".view", pages[page]) : []);
const size = () => data.pages[page] || { width: 1, height: 1 };
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function fitted() {
  const view = views()[0];
  if (!view) return 1;
  return Math.min(view.clientWidth / size().width, view.clientHeight / size().height) * 0.96;
}

function draw() {
  const [view] = views();
  if (!view) return;
  look.scale = clamp(look.scale, Math.min(fitted(), 1) / 4, 24);
  const across = view.clientWidth / look.scale;
  const down = view.clientHeight / look.scale;
  // A page smaller than the view stands in its middle; of a larger one, some always stays in sight.
  const held = (at, room, length) => room >= length ? (length - room) / 2 : clamp(at, -room * 0.4, length - room * 0.6);
  look.x = held(look.x, across, size().width);
  look.y = held(look.y, down, size().height);
  for (const each of views()) {
    const stage = each.querySelector(".stage");
    if (!stage) continue;
    stage.style.width = size().width + "px";
    stage.style.height = size().height + "px";
    stage.style.transform = "translate(" + -look.x * look.scale + "px," + -look.y * look.scale + "px) scale(" + look.scale + ")";
    stage.classList.toggle("near", look.scale > 3);
  }
  zoomShown.textContent = Math.round(look.scale * 100) + " %";
}

function fit() {
  whole = true;
  look.scale = fitted();
  look.x = look.y = 0;
  draw();
}

/** Zooms so that the point (x, y) of the view stays where it is. */
function zoom(factor, x, y) {
  const [view] = views();
  if (!view) return;
  const px = x === undefined ? view.clientWidth / 2 : x;
  const py = y === undefined ? view.clientHeight / 2 : y;
  const before = look.scale;
  whole = false;
  look.scale = clamp(before * factor, Math.min(fitted(), 1) / 4, 24);
  look.x += px / before - px / look.scale;
  look.y += py / before - py / look.scale;
  draw();
}

function showPage(index) {
  page = clamp(index, 0, pages.length - 1);
  pages.forEach((each, i) => { each.hidden = i !== page; });
  const shown = one("#page");
  if (shown) shown.textContent = "Page " + (page + 1) + " of " + pages.length;
  fit();
}

function choose(index, focus) {
  if (findings.length === 0) return;
  chosen = (index + findings.length) % findings.length;
  const { page: at, box } = data.findings[chosen];
  if (at !== page) showPage(at);
  findings.forEach((each, i) => each.setAttribute("aria-pressed", String(i === chosen)));
  all("rect").forEach((each) => each.classList.toggle("chosen", Number(each.dataset.finding) === chosen));
  const [view] = views();
  if (view && box) {
    whole = false;
    const wanted = Math.min(view.clientWidth / ((box[2] - box[0]) * 1.6), view.clientHeight / ((box[3] - box[1]) * 6), 4);
    look.scale = Math.max(fitted(), Math.min(wanted, Math.max(look.scale, 1)));
    look.x = (box[0] + box[2]) / 2 - view.clientWidth / look.scale / 2;
    look.y = (box[1] + box[3]) / 2 - view.clientHeight / look.scale / 2;
    draw();
  }
  const button = findings[chosen];
  if (focus) button.focus({ preventScroll: true });
  button.scrollIntoView({ block: "nearest" });
  said.textContent = "Finding " + (chosen + 1) + " of " + findings.length + ": " + button.getAttribute("aria-label");
}

findings.forEach((button, i) => button.addEventListener("click", () => choose(i, false)));
all("rect").forEach((rect) => rect.addEventListener("click", () => choose(Number(rect.dataset.finding), true)));

all(".view").forEach((view) => {
  let held;
  view.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = view.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0015)), event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  view.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("rect")) return;
    held = [event.clientX, event.clientY];
    view.setPointerCapture(event.pointerId);
    view.classList.add("held");
  });
  view.addEventListener("pointermove", (event) => {
    if (!held) return;
    look.x -= (event.clientX - held[0]) / look.scale;
    look.y -= (event.clientY - held[1]) / look.scale;
    held = [event.clientX, event.clientY];
    draw();
  });
  const drop = () => { held = undefined; view.classList.remove("held"); };
  view.addEventListener("pointerup", drop);
  view.addEventListener("pointercancel", drop);
  view.addEventListener("dblclick", fit);
});

const actions = { in: () => zoom(1.25), out: () => zoom(0.8), fit, previous: () => showPage(page - 1), next: () => showPage(page + 1) };
all("[data-do]").forEach((button) => button.addEventListener("click", () => actions[button.dataset.do]()));
boxesShown.addEventListener("change", () => document.body.classList.toggle("no-boxes", !boxesShown.checked));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = 60 / look.scale;
  const inList = event.target.closest(".side");
  const keys = {
    "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), "0": fit,
    j: () => choose(chosen + 1, true), k: () => choose(chosen < 0 ? 0 : chosen - 1, true),
    b: () => boxesShown.click(), PageDown: () => showPage(page + 1), PageUp: () => showPage(page - 1),
    ArrowLeft: () => { look.x -= step; draw(); }, ArrowRight: () => { look.x += step; draw(); },
    ArrowUp: () => { if (inList) choose(chosen < 0 ? 0 : chosen - 1, true); else { look.y -= step; draw(); } },
    ArrowDown: () => { if (inList) choose(chosen + 1, true); else { look.y += step; draw(); } },
  };
  if (!Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

const resized = new ResizeObserver(() => (whole ? fit() : draw()));
resized.observe(document.body);
all(".view").forEach((view) => resized.observe(view));
showPage(0);
`;
