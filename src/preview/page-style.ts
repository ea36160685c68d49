/** The look of the review pages. Colours keep a contrast of at least 4.5:1 in both schemes. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #16191d; --soft: #596270; --line: #d9dde3; --accent: #1d5fd1; --on: #ffffff;
  --good: #0b6b3a; --good-back: #dff3e7; --bad: #a3201b; --bad-back: #fbe3e1; --desk: #e4e7ec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --card: #1c2026; --ink: #eceff3; --soft: #a3adba; --line: #323943; --accent: #7fb0ff; --on: #10141a;
    --good: #7fdca8; --good-back: #163826; --bad: #ff9d97; --bad-back: #451a18; --desk: #0d0f12;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html, body { height: 100%; margin: 0; }
body { background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
button, input, select { font: inherit; color: inherit; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 8px; top: 8px; background: var(--card); padding: 8px 12px; z-index: 9; }
.hidden-text { position: absolute; top: 0; margin: 0; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.review { display: grid; grid-template: auto 1fr / minmax(250px, 330px) 1fr; height: 100vh; }
header { grid-column: 1 / -1; display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; padding: 10px 16px;
  background: var(--card); border-bottom: 1px solid var(--line); }
header h1 { font-size: 16px; margin: 0; overflow-wrap: anywhere; }
header a { color: var(--accent); }
.badge { display: inline-block; padding: 1px 10px; border-radius: 99px; font-weight: 600; font-size: 13px; white-space: nowrap; }
.good { color: var(--good); background: var(--good-back); }
.bad { color: var(--bad); background: var(--bad-back); }
.facts { color: var(--soft); font-size: 13px; }
.tools { margin-left: auto; display: flex; gap: 6px; align-items: center; flex-wrap: wrap; }
.tools button, .tools label { border: 1px solid var(--line); background: var(--paper); border-radius: 6px; padding: 3px 10px; cursor: pointer; min-height: 30px; }
.tools button:hover, .tools label:hover { border-color: var(--accent); }
.tools output { min-width: 5ch; text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; }
kbd { font: 12px ui-monospace, monospace; border: 1px solid var(--line); border-radius: 4px; padding: 0 4px; }

.side { overflow: auto; border-right: 1px solid var(--line); background: var(--card); padding: 12px; }
.side h2 { font-size: 13px; letter-spacing: .02em; color: var(--soft); margin: 14px 4px 6px; font-weight: 600; }
.side h2:first-child { margin-top: 0; }
.side p { margin: 4px; }
.side ol { list-style: none; margin: 0; padding: 0; display: grid; gap: 4px; }
.finding { display: grid; grid-template-columns: 10px 1fr auto; gap: 2px 10px; width: 100%; text-align: left; cursor: pointer;
  border: 1px solid transparent; border-radius: 8px; background: none; padding: 7px 8px; }
.finding:hover { background: var(--paper); }
.finding[aria-pressed="true"] { border-color: var(--accent); background: var(--paper); }
.finding .dot { width: 10px; height: 10px; border-radius: 3px; align-self: center; }
.finding .what { font-weight: 600; overflow-wrap: anywhere; }
.finding .score { color: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; }
.finding .why { grid-column: 2 / -1; color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.keys { color: var(--soft); font-size: 13px; }

main { min-width: 0; min-height: 0; }
.desk { height: 100%; min-width: 0; min-height: 0; display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; background: var(--desk); gap: 1px; }
.pane { display: grid; grid-template-rows: auto 1fr; min-width: 0; min-height: 0; margin: 0; }
.pane figcaption { padding: 4px 12px; font-size: 13px; font-weight: 600; background: var(--card); border-bottom: 1px solid var(--line); }
.view { position: relative; overflow: hidden; cursor: grab; touch-action: none; }
.view.held { cursor: grabbing; }
.stage { position: absolute; left: 0; top: 0; transform-origin: 0 0; box-shadow: 0 1px 12px rgb(0 0 0 / .25); background: #fff; }
.stage img { display: block; width: 100%; height: 100%; }
.stage svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.near img { image-rendering: pixelated; }
rect { fill-opacity: .07; stroke-width: 1.75px; vector-effect: non-scaling-stroke; cursor: pointer; }
rect.problem { stroke: #c2170f; fill: #c2170f; stroke-dasharray: 5 3; }
rect.chosen { stroke-width: 4px; fill-opacity: .16; }
.no-boxes svg { display: none; }
.nothing { display: grid; place-content: center; text-align: center; padding: 24px; color: var(--soft); max-width: 46ch; margin: auto; }

.t0 { --hue: #1d5fd1; } .t1 { --hue: #b04a00; } .t2 { --hue: #7a2fb8; } .t3 { --hue: #00716b; } .t4 { --hue: #a5206a; }
.t5 { --hue: #4d6b00; } .t6 { --hue: #84511b; } .t7 { --hue: #33508c; } .t8 { --hue: #8c1f2f; } .t9 { --hue: #5a5a5a; } .t10 { --hue: #00698c; }
.dot { background: var(--hue); } rect.box { stroke: var(--hue); fill: var(--hue); }
@media (max-width: 760px) {
  .review { grid-template: auto 60vh auto / 1fr; height: auto; }
  .side { grid-row: 3; border-right: 0; border-top: 1px solid var(--line); }
  .desk { grid-row: 2; }
}

.list { max-width: 1000px; margin: 0 auto; padding: 28px 20px 60px; }
.list h1 { font-size: 24px; margin: 0 0 4px; }
.list table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; margin-top: 18px; }
.list th, .list td { text-align: left; padding: 9px 14px; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
.list th { border-top: 0; font-size: 13px; color: var(--soft); }
.list td.number, .list th.number { text-align: right; font-variant-numeric: tabular-nums; }
.list a { color: var(--accent); font-weight: 600; }
.list .warning { background: var(--bad-back); color: var(--bad); padding: 8px 14px; border-radius: 8px; margin-top: 14px; }
`;
