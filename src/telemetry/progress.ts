/** Progress in a terminal: one line redrawn in place; plain lines where the output is no terminal. */

export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface ProgressOptions {
  readonly label: string;
  readonly total: number;
  /** Default: stderr. */
  readonly stream?: ProgressStream;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

export interface Progress {
  /** `details` stands behind the bar ("loss 0.0123"). */
  update(done: number, details?: string, etaSeconds?: number): void;
  /** A line of its own above the bar. */
  note(line: string): void;
  /** Leaves the last state standing. */
  end(details?: string): void;
}

const redrawMs = 80;
const plainLines = 20;

/** "1:02:03", "4:05", "0:09"; "--:--" when unknown. */
export function formatDuration(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds) || seconds < 0) return "--:--";
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A bar of `width` characters, eighths drawn. */
export function renderBar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const full = Math.floor(eighths / 8);
  const rest = " ▏▎▍▌▋▊▉"[eighths % 8]!;
  return `${"█".repeat(full)}${full < width ? rest : ""}`.padEnd(width, " ");
}

export function createProgress(options: ProgressOptions): Progress {
  const { label, total, stream = process.stderr, now = () => performance.now() } = options;
  const live = stream.isTTY === true;
  let lastDrawn = Number.NEGATIVE_INFINITY;
  let lastTick = -1;
  let line = "";

  const compose = (done: number, details: string, eta: number | undefined): string => {
    const share = total > 0 ? done / total : 1;
    const numbers = `${String(done).padStart(String(total).length)}/${total}`;
    const remaining = done >= total ? "" : `  ETA ${formatDuration(eta)}`;
    const text = `${numbers}${remaining}${details === "" ? "" : `  ${details}`}`;
    if (!live) return `${label} ${text}`;
    const room = (stream.columns ?? 100) - label.length - text.length - 5;
    const bar = room >= 8 ? `▕${renderBar(share, Math.min(30, room))}▏ ` : "";
    return `${label} ${bar}${text}`.slice(0, Math.max(10, (stream.columns ?? 100) - 1));
  };

  return {
    update(done, details = "", etaSeconds) {
      line = compose(done, details, etaSeconds);
      if (live) {
        if (done < total && now() - lastDrawn < redrawMs) return;
        lastDrawn = now();
        stream.write(`\r\x1b[2K${line}`);
        return;
      }
      const tick = total > 0 ? Math.floor((done / total) * plainLines) : plainLines;
      if (tick === lastTick) return;
      lastTick = tick;
      stream.write(`${line}\n`);
    },
    note(text) {
      stream.write(live ? `\r\x1b[2K${text}\n${line}` : `${text}\n`);
    },
    end(details) {
      if (live) stream.write(`\r\x1b[2K${line}\n`);
      if (details !== undefined) stream.write(`${details}\n`);
    },
  };
}
