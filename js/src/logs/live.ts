import { signal } from "@preact/signals";
import type { MonitorStore } from "../monitor/store";
import type { LogChunk, LogEvent, ServiceError } from "../protocol";
import { LiveLogModel, type LiveRow } from "./live-model";
import { renderTerminal } from "./terminal";

/** Both logs in one, in the order in which their lines came. */
export const BOTH = "both";

export type LiveState =
  | { kind: "connecting" | "following" | "lost" | "ended" }
  | { kind: "unavailable"; error: ServiceError };

/** Where a reader is: `fromEnd` lines before the end of a log, or at the end of all. */
export interface Place {
  name: string;
  fromEnd: number;
  isAtEnd: boolean;
}

const PAINT_MS = 200;
const HIDDEN_MS = 1000;
const RETRY_MS = 15_000;
/** Rows kept of each view of the logs. */
export const MOST_ROWS = 50_000;
/** Letters that wait while the view is hidden, or while the reader has paused. */
const MOST_WAITING = 8_000_000;
/** Lines by which a log that is followed anew finds where it goes on. */
const KNOWN_LINES = 3;

/** What is known of one log. */
interface Source {
  readonly mark: LiveRow["mark"];
  /** Number that its next line gets, and what to add to numbers of the present feed. */
  next: number;
  shift: number;
  /** Its last lines. */
  known: string[];
  /** The feed that `shift` is for. */
  feed: string;
}

/** The logs of a running task, followed: what comes is painted a few times a second at most. */
export class LiveLog {
  readonly state = signal<LiveState>({ kind: "connecting" });
  readonly paused = signal(false);
  /** Lines that came since the reader paused. */
  readonly fresh = signal(0);
  /** Whether any line has been painted. */
  readonly hasText = signal(false);
  /** When the last line came, by the service's clock in ms. */
  readonly lastAt = signal<number | null>(null);
  readonly models: readonly LiveLogModel[] = [BOTH, "stdout.txt", "stderr.txt"].map(
    (name) => new LiveLogModel(name),
  );

  readonly #monitor: MonitorStore;
  readonly #onPaint: () => void;
  readonly #sources = new Map<string, Source>([
    ["stdout.txt", { mark: "out", next: 0, shift: 0, known: [], feed: "" }],
    ["stderr.txt", { mark: "err", next: 0, shift: 0, known: [], feed: "" }],
  ]);
  #waiting: { feed: string; chunk: LogChunk }[] = [];
  #waitingLetters = 0;
  #paintedAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #unsubscribe: (() => void) | null = null;
  #starts = 0;

  constructor(monitor: MonitorStore, onPaint: () => void) {
    this.#monitor = monitor;
    this.#onPaint = onPaint;
  }

  /** Whether the view keeps to the end. */
  get follows(): boolean {
    return !this.paused.value;
  }

  start(): void {
    if (this.#unsubscribe !== null) return;
    // A topic that is left and wanted again at once would be no change: there would be no new attempt.
    this.#starts += 1;
    const { taskId, uid } = this.#monitor;
    this.#unsubscribe = this.#monitor.subscribe(`logs/${taskId}#${uid}.${this.#starts}`, (event) => {
      if (event.kind === "log") this.#take(event);
    });
  }

  stop(): void {
    clearTimeout(this.#retryTimer);
    this.#unsubscribe?.();
    this.#unsubscribe = null;
  }

  dispose(): void {
    this.stop();
    clearTimeout(this.#timer);
  }

  /** Follows anew what could not be followed. */
  retry(): void {
    this.stop();
    this.state.value = { kind: "connecting" };
    this.start();
  }

  pause(): void {
    this.paused.value = true;
  }

  resume(): void {
    this.paused.value = false;
    this.#paint();
  }

  /** Where in the final log a line of a model is found again. */
  placeOf(model: LiveLogModel, line: number): Place | null {
    if (!this.paused.peek()) return { name: model.file.name, fromEnd: 0, isAtEnd: true };
    // A row about missing ones is nowhere: the next one is.
    for (let at = line; at < line + 10; at += 1) {
      const row = model.rowOf(at);
      if (row === undefined) return null;
      for (const [name, source] of this.#sources)
        if (source.mark === row.mark) return { name, fromEnd: this.#endOf(name) - row.at, isAtEnd: false };
    }
    return null;
  }

  /** Number of the line after the last one that came, also of those that wait. */
  #endOf(name: string): number {
    const source = this.#sources.get(name);
    const last = [...this.#waiting].reverse().find(({ chunk }) => chunk.name === name);
    if (source === undefined || last === undefined) return source?.next ?? 0;
    return last.chunk.line + linesOf(last.chunk.text) + (last.feed === source.feed ? source.shift : 0);
  }

  #take({ feed, state, error, chunks }: LogEvent): void {
    if (state !== "unavailable") this.state.value = { kind: state };
    else if (error !== null) {
      this.state.value = { kind: state, error };
      if (error.retryable) this.#retryLater();
    }
    if (chunks.length > 0) this.lastAt.value = this.#monitor.now.peek();
    for (const chunk of chunks) {
      this.#waiting.push({ feed, chunk });
      this.#waitingLetters += chunk.text.length;
    }
    while (this.#waitingLetters > MOST_WAITING && this.#waiting.length > 1)
      this.#waitingLetters -= this.#waiting.shift()?.chunk.text.length ?? 0;
    this.#paintSoon();
  }

  #retryLater(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      if (this.#monitor.isSeen) this.retry();
      else this.#retryLater();
    }, RETRY_MS);
  }

  #paintSoon(): void {
    if (this.#timer !== undefined) return;
    const since = performance.now() - this.#paintedAt;
    const pause = this.#monitor.isSeen ? Math.max(0, PAINT_MS - since) : HIDDEN_MS;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#monitor.isSeen) this.#paint();
      else if (!this.#monitor.isClosed) this.#paintSoon();
    }, pause);
  }

  #paint(): void {
    this.#paintedAt = performance.now();
    if (this.paused.peek()) {
      this.fresh.value = this.#waiting.reduce((sum, { chunk }) => sum + linesOf(chunk.text), 0);
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingLetters = 0;
    this.fresh.value = 0;
    for (const { feed, chunk } of waiting) this.#append(chunk.name, this.#rowsOf(feed, chunk));
    for (const model of this.models) model.dropTo(MOST_ROWS);
    this.hasText.value ||= waiting.length > 0;
    this.#onPaint();
  }

  #append(name: string, rows: LiveRow[]): void {
    // What would be dropped at once need not be placed.
    const kept = rows.length > MOST_ROWS ? rows.slice(-MOST_ROWS) : rows;
    for (const model of this.models)
      if (model.file.name === BOTH || model.file.name === name) model.append(kept);
  }

  /** The rows of a chunk, with one about lines before it that did not come. */
  #rowsOf(feed: string, { name, line, text }: LogChunk): LiveRow[] {
    const source = this.#sources.get(name);
    if (source === undefined) return [];
    const lines = text.split("\n");
    const rows: LiveRow[] = [];
    const gap = (words: string) => rows.push({ ...NO_ROW, text: words, at: source.next });
    if (source.feed !== feed) {
      const found = source.known.length === 0 ? 0 : placeAfter(lines, source.known);
      if (found === null) gap("Lines that were written meanwhile may be missing here.");
      source.shift = source.next - line - (found ?? 0);
      source.feed = feed;
    }
    const at = line + source.shift;
    if (at > source.next) gap(`${countWords(at - source.next)} left out: too many came at once.`);
    const fresh = at < source.next ? lines.slice(source.next - at) : lines;
    const from = Math.max(at, source.next);
    for (const row of renderTerminal(fresh.join("\n")))
      rows.push({ ...row, mark: FRAME.test(row.text) ? "gap" : source.mark, at: from + row.line });
    source.next = from + fresh.length;
    source.known = [...source.known, ...fresh.slice(-KNOWN_LINES)].slice(-KNOWN_LINES);
    return rows;
  }
}

/** What machines write around a command, in both logs: it is no fault that it stands in stderr. */
const FRAME = /^# (COMMAND|Working directory|Env):/;
const NO_ROW = { text: "", spans: [], line: 0, mark: "gap" as const };

function countWords(lines: number): string {
  return `${lines.toLocaleString("en")} ${lines === 1 ? "line was" : "lines were"}`;
}

function linesOf(text: string): number {
  let count = 1;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

/** The place after the last run of lines that are the known ones; `null`: they are not there. */
function placeAfter(lines: readonly string[], known: readonly string[]): number | null {
  for (let end = lines.length; end >= known.length; end -= 1)
    if (known.every((line, i) => lines[end - known.length + i] === line)) return end;
  return null;
}
