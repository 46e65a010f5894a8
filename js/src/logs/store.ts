import { signal } from "@preact/signals";
import { asServiceError, isAbort } from "../connection";
import { type FileModel, packBits } from "../files/file-model";
import { gzip } from "../files/listing";
import { formatCount } from "../format";
import type { MonitorStore } from "../monitor/store";
import type { LogsOpened, ServiceError } from "../protocol";
import { BOTH, LiveLog, type Place } from "./live";
import { LiveLogModel } from "./live-model";
import { type Block, HEAD_HEIGHT, isCut, LINE_HEIGHT, LogModel, rangeOf, type Section } from "./model";
import { type LogSource, RecordedLogs } from "./source";

export type LogsState =
  | { kind: "none" }
  | { kind: "loading"; waiting: boolean }
  /** The task runs, and its logs are followed. */
  | { kind: "live"; logs: readonly LogModel[] }
  | { kind: "ready"; logs: readonly LogModel[] }
  | { kind: "failed"; error: ServiceError };

/** Lines that a search found, and which of them is the current one. */
export interface Hits {
  lines: readonly number[];
  at: number;
}

/** Where the view has to go: a line of the file, shown at the top, in the upper third, at the bottom. */
export interface Target {
  line: number;
  place: "top" | "upper" | "bottom";
}

const FAILED: readonly string[] = ["failed", "executer-failed"];
const BLOCKS_AT_ONCE = 3;
const SEARCH_PAUSE_MS = 200;

/** The logs of a monitor's task: which there are, what of them is here, what is searched. */
export class LogsStore {
  readonly state = signal<LogsState>({ kind: "none" });
  /** Name of the log that is shown. */
  readonly current = signal("stdout.txt");
  /** Counts changes inside the models, which are not made of signals. */
  readonly version = signal(0);
  readonly wraps = signal(false);
  readonly query = signal("");
  /** `null` while nothing was searched, or not found out yet. */
  readonly hits = signal<Hits | null>(null);
  readonly target = signal<Target | null>(null);
  /** The line that the user was led to. */
  readonly marked = signal<number | null>(null);
  readonly live: LiveLog;
  /** Why the final logs have not taken the place of the live ones. */
  readonly openError = signal<ServiceError | null>(null);

  readonly #monitor: MonitorStore;
  readonly #source: LogSource;
  #wanted: { section: Section; block: Block }[] = [];
  #reading = 0;
  /** By how many px the text on screen has to move, so that it stays where it is. */
  #shift = 0;
  #top = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #searches = 0;
  /** Where a log was found among the files: they may be a hundred thousand. */
  #found: { model: FileModel; name: string; at: number } | null = null;
  #isOpening = false;
  #isDisposed = false;

  constructor(monitor: MonitorStore) {
    this.#monitor = monitor;
    this.live = new LiveLog(monitor, () => this.#onLive());
    this.#source = new RecordedLogs(monitor);
  }

  /** The log that is shown. */
  get log(): LogModel | null {
    const state = this.state.value;
    if (state.kind !== "ready" && state.kind !== "live") return null;
    return state.logs.find((log) => log.file.name === this.current.value) ?? state.logs[0] ?? null;
  }

  dispose(): void {
    this.#isDisposed = true;
    this.live.dispose();
    clearTimeout(this.#timer);
  }

  // ---- what there is ----

  /** Follows the logs of a task that runs. Returns what ends it. */
  follow(): () => void {
    if (this.state.peek().kind !== "live") {
      this.current.value = BOTH;
      this.state.value = { kind: "live", logs: this.live.models };
    }
    this.live.start();
    return () => this.live.stop();
  }

  /** Asks for the logs, once the task has ended. What was followed stays until they are there. */
  async load(refresh = false): Promise<void> {
    const { kind } = this.state.peek();
    if (this.#isOpening || (kind === "ready" && !refresh)) return;
    const isFollowed = kind === "live" && this.live.hasText.peek();
    if (!isFollowed) this.state.value = { kind: "loading", waiting: false };
    this.openError.value = null;
    this.#isOpening = true;
    try {
      const opened = await this.#source.open(refresh, {
        onWaiting: (waiting) => {
          if (this.state.peek().kind === "loading") this.state.value = { kind: "loading", waiting };
        },
      });
      if (!this.#isDisposed) this.#accept(opened);
    } catch (error) {
      if (isAbort(error)) return;
      if (isFollowed) this.openError.value = asServiceError(error);
      else this.state.value = { kind: "failed", error: asServiceError(error) };
    } finally {
      this.#isOpening = false;
    }
  }

  #accept(opened: LogsOpened): void {
    const logs = opened.logs.map((file) => new LogModel(file));
    const place = this.#livePlace();
    this.live.stop();
    this.#wanted = [];
    this.state.value = { kind: "ready", logs };
    const failed = this.#hasFailed;
    const log = beginning(logs, failed);
    if (log !== undefined) this.current.value = log.file.name;
    for (const each of logs) unfold(each, failed);
    if (place !== null && this.#keepPlace(logs, place)) return;
    if (log !== undefined) this.#goToBeginning(log);
    this.version.value += 1;
  }

  /** Where the reader of a log that is followed is; `null`: nothing was followed. */
  #livePlace(): Place | null {
    const { log } = this;
    if (this.state.peek().kind !== "live" || !(log instanceof LiveLogModel) || !this.live.hasText.peek())
      return null;
    return this.live.placeOf(log, log.lineAt(this.#top) ?? 0);
  }

  /** Shows the final log where the reader was in the one that was followed; false: it is not there. */
  #keepPlace(logs: readonly LogModel[], { name, fromEnd, isAtEnd }: Place): boolean {
    const log = logs.find(({ file }) => file.name === name) ?? logs.find(hasText);
    if (log === undefined) return false;
    const last = [...log.sections].reverse().find(({ part }) => part.lines > 0);
    const end = last === undefined ? 0 : last.part.line + last.part.lines - 1;
    const line = isAtEnd ? end : Math.min(end, Math.max(0, log.file.lines - fromEnd));
    const section = log.sectionOf(line);
    if (section === null) return false;
    section.isOpen = true;
    this.current.value = log.file.name;
    this.target.value = { line, place: isAtEnd ? "bottom" : "top" };
    this.version.value += 1;
    return true;
  }

  /** Lines came. */
  #onLive(): void {
    this.version.value += 1;
    const { log } = this;
    const hits = this.hits.peek();
    if (hits === null || !(log instanceof LiveLogModel)) return;
    const lines = log.find(this.query.peek());
    const current = hits.lines[hits.at] ?? -1;
    this.hits.value = { lines, at: Math.max(0, lines.indexOf(current)) };
  }

  /** Whether the log may show why the task ended; a task that was stopped did not end by a fault. */
  get #hasFailed(): boolean {
    return FAILED.includes(this.#monitor.task.peek()?.status ?? "");
  }

  #goToBeginning(log: LogModel): void {
    const error = firstError(log);
    if (error !== null && this.#hasFailed) {
      this.marked.value = error;
      this.target.value = { line: error, place: "upper" };
      return;
    }
    const section = [...log.sections].reverse().find((each) => each.isOpen);
    const end = section === undefined ? null : section.part.line + section.part.lines - 1;
    this.target.value = end === null || end < 0 ? null : { line: end, place: "bottom" };
  }

  show(name: string): void {
    if (name === this.current.peek()) return;
    this.current.value = name;
    this.#wanted = [];
    this.marked.value = null;
    this.hits.value = null;
    const { log } = this;
    if (log instanceof LiveLogModel) this.live.resume();
    else if (log !== null) this.#goToBeginning(log);
    if (this.query.peek() !== "") void this.#search();
  }

  toggle(section: Section): void {
    section.isOpen = !section.isOpen;
    this.version.value += 1;
  }

  toggleWrap(): void {
    const line = this.log?.lineAt(this.#top + HEAD_HEIGHT) ?? null;
    if (line !== null) this.target.value = { line, place: "top" };
    this.wraps.value = !this.wraps.peek();
  }

  // ---- text by blocks ----

  /** What the view shows now: the blocks that it lacks are fetched, the latest wish first. */
  want(top: number, wanted: { section: Section; block: Block }[]): void {
    this.#top = top;
    this.#wanted = wanted;
    this.#pump();
  }

  /** By how much to scroll, because text above has another height than was thought. */
  takeShift(): number {
    const shift = this.#shift;
    this.#shift = 0;
    return shift;
  }

  /** Tries again what could not be read. */
  retry(): void {
    const { log } = this;
    for (const section of log?.sections ?? [])
      for (const block of section.blocks) if (block.state === "failed") block.state = "none";
    this.version.value += 1;
  }

  #pump(): void {
    while (this.#reading < BLOCKS_AT_ONCE) {
      const next = this.#wanted.shift();
      if (next === undefined) return;
      if (next.block.state === "none") void this.#read(next.section, next.block);
    }
  }

  async #read(section: Section, block: Block): Promise<void> {
    const { log } = this;
    if (log === null) return;
    block.state = "loading";
    this.#reading += 1;
    try {
      const text = await this.#textOf(log.file.name, block);
      if (this.#isDisposed) return;
      const above = section.tops[section.blocks.indexOf(block)] ?? 0;
      const top = log.textTop(section) + above * LINE_HEIGHT;
      const moved = log.accept(section, block, text);
      if (log === this.log && top < this.#top) this.#shift += moved;
    } catch (error) {
      if (isAbort(error)) return;
      block.state = "failed";
      const { message } = asServiceError(error);
      this.#monitor.announce(`A part of the log could not be read. ${message}`);
    } finally {
      this.#reading -= 1;
      this.version.value += 1;
      this.#pump();
    }
  }

  async #textOf(name: string, block: Block): Promise<string> {
    const decode = async (end: boolean) => {
      const [offset, length] = rangeOf(block, end);
      // `fatal: false`: a log may hold anything.
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(
        await this.#source.read(name, offset, length),
      );
    };
    const text = await decode(false);
    // A progress bar of millions of updates: a terminal shows the last.
    if (isCut(block) && /[\r\b]/.test(text)) return decode(true);
    return text;
  }

  // ---- search ----

  setQuery(query: string): void {
    this.query.value = query;
    this.hits.value = null;
    clearTimeout(this.#timer);
    this.#searches += 1;
    if (query !== "") this.#timer = setTimeout(() => void this.#search(), SEARCH_PAUSE_MS);
  }

  async #search(): Promise<void> {
    const { log } = this;
    const query = this.query.peek();
    if (log === null || query === "") return;
    this.#searches += 1;
    const search = this.#searches;
    try {
      const found =
        log instanceof LiveLogModel ? log.find(query) : await this.#source.search(log.file.name, query);
      if (search !== this.#searches) return;
      // What stands in the frames around commands is not shown.
      const lines = [...found].filter((line) => log.sectionOf(line) !== null);
      const from = log.lineAt(this.#top) ?? 0;
      const next = lines.findIndex((line) => line >= from);
      this.hits.value = { lines, at: Math.max(0, next) };
      if (lines.length > 0) this.#goToHit();
      else this.#monitor.announce("Nothing found in the log.");
    } catch (error) {
      if (isAbort(error) || search !== this.#searches) return;
      this.hits.value = null;
      this.#monitor.announce(`The search failed. ${asServiceError(error).message}`);
    }
  }

  /** To the next hit, or the one before; around the ends. */
  step(by: 1 | -1): void {
    const hits = this.hits.peek();
    if (hits === null || hits.lines.length === 0) return;
    const { length } = hits.lines;
    this.hits.value = { ...hits, at: (hits.at + by + length) % length };
    this.#goToHit();
  }

  #goToHit(): void {
    const hits = this.hits.peek();
    const line = hits?.lines[hits.at];
    if (hits === null || line === undefined) return;
    this.goTo(line);
    this.#monitor.announce(
      `Line ${formatCount(line + 1)}, ${formatCount(hits.at + 1)} of ${formatCount(hits.lines.length)}.`,
    );
  }

  /** Leads to a line: unfolds its command and marks it. */
  goTo(line: number): void {
    const section = this.log?.sectionOf(line);
    if (section === null || section === undefined) return;
    section.isOpen = true;
    if (this.state.peek().kind === "live") this.live.pause();
    this.marked.value = line;
    this.target.value = { line, place: "upper" };
    this.version.value += 1;
  }

  // ---- the file itself ----

  /** Place of the log among the output files; -1 while they are not listed, or must not be fetched. */
  get file(): number {
    const files = this.#monitor.files.state.value;
    if (files.kind !== "ready" || !this.#monitor.mayDownload) return -1;
    const name = this.log?.file.name ?? "";
    if (this.#found?.model !== files.model || this.#found.name !== name)
      this.#found = { model: files.model, name, at: placeOf(files.model, name) };
    return this.#found.at;
  }

  /** Downloads the log as a file, whatever is ticked among the files. */
  async download(): Promise<void> {
    const { files, taskId } = this.#monitor;
    const state = files.state.peek();
    const wanted = this.file;
    if (state.kind !== "ready" || wanted < 0) return;
    const { revision, count } = state.model.listing.meta;
    const folder = files.folder.peek();
    this.#monitor.dismissFailure();
    try {
      const { result } = await this.#monitor.call(
        "outputs.download",
        { task_id: taskId, revision, ...(folder === null ? {} : { folder }) },
        { buffers: [await gzip(packBits(count, (i) => i === wanted))], intent: "download log" },
      );
      // Events of this download may have overtaken the answer: they are newer.
      if (files.download.peek()?.download_id !== result.download_id) files.follow(result);
    } catch (error) {
      if (!isAbort(error)) this.#monitor.fail("download", error);
    }
  }
}

function placeOf({ listing: { names } }: FileModel, name: string): number {
  for (let i = 0; i < names.count; i += 1) if (names.at(i) === name) return i;
  return -1;
}

/** The most informative log: of a failed task the one with an error, stderr before stdout. */
function beginning(logs: readonly LogModel[], failed: boolean): LogModel | undefined {
  const named = (name: string) => logs.find((log) => log.file.name === name);
  const [out, err] = [named("stdout.txt"), named("stderr.txt")];
  const first = failed ? [err, out] : [out, err];
  return (
    (failed ? first.find((log) => log !== undefined && log.file.errors.length > 0) : undefined) ??
    first.find((log) => log !== undefined && hasText(log)) ??
    out ??
    logs[0]
  );
}

export function hasText(log: LogModel): boolean {
  return log.sections.some((section) => section.part.lines > 0);
}

/** The first error of the command that failed, else of the log. */
function firstError(log: LogModel): number | null {
  const inside = log.file.errors.filter((line) => log.sectionOf(line) !== null);
  const ofFailed = inside.find((line) => log.sectionOf(line)?.part.state === "failed");
  return ofFailed ?? inside[0] ?? null;
}

/** Unfolds what one wants to see: the command that failed, else the one that took longest. */
function unfold(log: LogModel, failed: boolean): void {
  const commands = log.sections.filter((section) => section.part.command !== null && section.part.lines > 0);
  const error = failed ? firstError(log) : null;
  const wanted =
    (error === null ? undefined : (log.sectionOf(error) ?? undefined)) ??
    commands.find((section) => section.part.state === "failed") ??
    commands.reduce<Section | undefined>(
      (longest, section) => (longest !== undefined && weight(longest) >= weight(section) ? longest : section),
      undefined,
    );
  if (wanted !== undefined) wanted.isOpen = true;
}

function weight({ part }: Section): number {
  return part.seconds ?? part.lines / 1e6;
}
