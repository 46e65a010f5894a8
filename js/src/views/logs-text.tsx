import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatCount } from "../format";
import { BOTH } from "../logs/live";
import {
  type Block,
  BODY_PADDING,
  HEAD_HEIGHT,
  LINE_HEIGHT,
  type LogModel,
  MOST_LETTERS,
  type Section,
  type ShownRow,
} from "../logs/model";
import type { Target } from "../logs/store";
import { type Row, type Style, themeColour } from "../logs/terminal";
import { spanWords } from "../monitor/phases";
import type { MonitorStore } from "../monitor/store";
import type { LogPart } from "../protocol";
import { Icon } from "./icon";

interface View {
  top: number;
  height: number;
  /** Letters that fit in a row. */
  columns: number;
}

/** Text kept ready above and below what is seen. */
const MARGIN = 360;

interface LogTextProps {
  store: MonitorStore;
  log: LogModel;
  pane: RefObject<HTMLDivElement | null>;
}

/** The text of a log by commands; only rows near the eye are on the page. */
export function LogText({ store, log, pane }: LogTextProps) {
  const { logs } = store;
  const [view, setView] = useState<View>({ top: 0, height: 400, columns: 80 });
  // The version stands for what changed inside the model.
  const version = logs.version.value;
  const target = logs.target.value;
  const ruler = useRef<HTMLSpanElement>(null);
  log.wrapAt(logs.wraps.value ? view.columns : 0);
  const follows = logs.state.value.kind === "live" && logs.live.follows;
  const windows = log.sections.map((section) =>
    log.window(section, view.top - MARGIN, view.top + view.height + MARGIN),
  );

  useLook(pane, ruler, digitsOf(log), setView);
  useLayoutEffect(() => {
    const element = pane.current;
    if (element === null) return;
    const shift = logs.takeShift();
    if (follows) element.scrollTop = element.scrollHeight;
    else if (target !== null) goTo(element, log, target);
    else if (shift !== 0) element.scrollTop += shift;
    if (target !== null && isThere(log, target)) logs.target.value = null;
  }, [log, logs, version, target, pane, follows, logs.wraps.value, view.columns, view.height]);
  useHand(store, pane);
  useEffect(() => {
    const wanted = log.sections.flatMap((section, i) =>
      (windows[i]?.wanted ?? []).map((block: Block) => ({ section, block })),
    );
    logs.want(view.top, wanted);
  });
  const failed = log.sections.some((section) => section.blocks.some((block) => block.state === "failed"));
  return (
    <>
      {failed && (
        <p class="iw-cut-note" role="alert">
          A part of the log could not be read.{" "}
          <button type="button" class="iw-link" onClick={() => logs.retry()}>
            Try again
          </button>
        </p>
      )}
      {/* biome-ignore lint/a11y/useSemanticElements: a region that scrolls, named after its log */}
      <div
        class={`iw-logs ${logs.wraps.value ? "wraps" : ""}`}
        ref={pane}
        role="region"
        aria-label={log.file.name === BOTH ? "stdout.txt and stderr.txt" : log.file.name}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls needs a stop
        tabIndex={0}
        onWheel={({ deltaY }) => {
          logs.target.value = null;
          if (deltaY < 0 && (pane.current?.scrollTop ?? 0) > 0) logs.live.pause();
        }}
        onPointerDown={() => {
          logs.target.value = null;
        }}
      >
        <span class="iw-ruler" ref={ruler} aria-hidden="true">
          {"0".repeat(100)}
        </span>
        {log.sections.map((section, i) => (
          <Command key={i} store={store} log={log} section={section} rows={windows[i]?.rows ?? []} />
        ))}
      </div>
    </>
  );
}

/** Scrolling up pauses a log that is followed; scrolling to its end resumes it. */
function useHand(store: MonitorStore, pane: RefObject<HTMLDivElement | null>): void {
  const { logs } = store;
  useEffect(() => {
    const element = pane.current;
    if (element === null) return undefined;
    let { scrollTop: before, scrollHeight: height } = element;
    const onScroll = () => {
      const { scrollTop, scrollHeight, clientHeight } = element;
      const isAtEnd = scrollHeight - scrollTop - clientHeight < LINE_HEIGHT;
      const isLive = logs.state.peek().kind === "live";
      // Where text was dropped or added meanwhile, the direction of the user's scrolling is unknown.
      const moved = scrollHeight === height ? scrollTop - before : 0;
      if (isLive && moved < 0 && !isAtEnd) logs.live.pause();
      else if (isLive && moved > 0 && isAtEnd && logs.live.paused.peek()) logs.live.resume();
      [before, height] = [scrollTop, scrollHeight];
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => element.removeEventListener("scroll", onScroll);
  }, [logs, pane]);
}

/** Reports the visible part of the pane, each time it changes. */
function useLook(
  pane: RefObject<HTMLDivElement | null>,
  ruler: RefObject<HTMLSpanElement | null>,
  digits: number,
  setView: (view: View) => void,
): void {
  useLayoutEffect(() => {
    const element = pane.current;
    if (element === null) return undefined;
    let frame = 0;
    const look = () => {
      frame = 0;
      const letter = (ruler.current?.getBoundingClientRect().width ?? 720) / 100;
      const text = element.querySelector<HTMLElement>(".iw-log")?.clientWidth ?? element.clientWidth;
      const { least, gap, end } = GUTTERS[text < 360 ? "narrow" : "wide"];
      const gutter = Math.max(least, Math.ceil(digits * DIGIT_WIDTH) + gap);
      element.style.setProperty("--iw-gutter", `${gutter}px`);
      const columns = Math.max(10, Math.floor((text - gutter - end) / letter));
      setView({ top: element.scrollTop, height: element.clientHeight, columns });
    };
    const later = () => {
      if (frame === 0) frame = requestAnimationFrame(look);
    };
    look();
    const resize = new ResizeObserver(later);
    resize.observe(element);
    element.addEventListener("scroll", later, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      resize.disconnect();
      element.removeEventListener("scroll", later);
    };
  }, [pane, ruler, digits, setView]);
}

/** Digits of the largest line number. */
function digitsOf(log: LogModel): number {
  return String(Math.max(0, ...log.sections.map(({ part }) => part.line + part.lines))).length;
}

const DIGIT_WIDTH = 7; // of the 11 px that the style sheet gives line numbers
/** Room for line numbers: at least, and beside their digits; and at the end of a line. */
const GUTTERS = { narrow: { least: 52, gap: 14, end: 12 }, wide: { least: 64, gap: 24, end: 16 } };

function goTo(element: HTMLElement, log: LogModel, target: Target): void {
  const place = log.placeOf(target.line);
  if (place === null) return;
  if (target.place !== "bottom") {
    // The row of the command stays at the top.
    element.scrollTop = place.top - (target.place === "top" ? HEAD_HEIGHT : element.clientHeight * 0.35);
    return;
  }
  // That more commands follow is to be seen as well.
  const following = log.sections.length - 1 - log.sections.indexOf(place.section);
  const end = place.top + LINE_HEIGHT + BODY_PADDING + Math.min(2, following) * HEAD_HEIGHT;
  element.scrollTop = end - element.clientHeight;
}

function isThere(log: LogModel, target: Target): boolean {
  const place = log.placeOf(target.line);
  const state = place === null ? "failed" : place.section.blocks[place.block]?.state;
  return state === "ready" || state === "failed";
}

interface CommandProps {
  store: MonitorStore;
  log: LogModel;
  section: Section;
  rows: readonly ShownRow[];
}

function Command({ store, log, section, rows }: CommandProps) {
  const { logs } = store;
  const { part, isOpen } = section;
  const isLive = logs.state.value.kind === "live";
  const marked = logs.marked.value;
  const query = logs.query.value;
  return (
    <section class="iw-cmd">
      {part.command !== null && (
        <button
          type="button"
          class="sum"
          aria-expanded={isOpen}
          title={part.command}
          onClick={() => logs.toggle(section)}
        >
          <Icon name="chevron" className="fold" />
          <Mark part={part} />
          <span class="c iw-cut">{part.command}</span>
          <span class="x">{exitWords(part)}</span>
          <span class="t">{part.seconds === null ? "" : spanWords(part.seconds)}</span>
        </button>
      )}
      {isOpen && (
        <div
          class={`iw-log ${log.file.name === "stderr.txt" ? "err" : ""}`}
          style={{ height: `${section.height + 2 * BODY_PADDING}px` }}
        >
          {part.lines === 0 && (
            <p class="gap">{isLive ? "Nothing has been written yet." : "Nothing was written here."}</p>
          )}
          {rows.map((row, i) => (
            <Line
              // Elements of rows that left serve those that come.
              key={((rows[0]?.line ?? 0) + i) % rows.length}
              shown={row}
              isMarked={row.line === marked}
              isError={log.errors.has(row.line)}
              query={query}
              download={isLive || logs.file < 0 ? undefined : () => void logs.download()}
            />
          ))}
        </div>
      )}
    </section>
  );
}

function Mark({ part }: { part: LogPart }) {
  if (part.state === "failed") return <Icon name="fail" className="iw-st iw-tone-err" />;
  return part.exit_code === 0 ? (
    <Icon name="done" className="iw-st iw-tone-ok" />
  ) : (
    <Icon name="unknown" className="iw-st" />
  );
}

function exitWords({ exit_code, lines }: LogPart): string {
  if (exit_code !== null) return `exit ${exit_code}`;
  return `${formatCount(lines)} lines`;
}

interface LineProps {
  shown: ShownRow;
  isMarked: boolean;
  isError: boolean;
  query: string;
  /** Fetches the log as a file. */
  download: (() => void) | undefined;
}

function Line({ shown, isMarked, isError, query, download }: LineProps) {
  const { line, top, height, row } = shown;
  const mark = row?.mark;
  const look = `${isMarked ? "hit" : ""} ${isError ? "bad" : ""} ${mark === "gap" ? "note" : (mark ?? "")}`;
  return (
    <div class={`ln ${look}`} style={{ top: `${top + BODY_PADDING}px`, height: `${height}px` }}>
      <i>{mark === undefined ? line + 1 : mark === "gap" ? "" : mark}</i>
      {row === null ? (
        <span class="iw-sk" />
      ) : (
        <span>
          {pieces(row, query)}
          {mark === "gap" && download !== undefined && (
            <>
              {" · "}
              <button type="button" class="iw-link" onClick={download}>
                Download the log
              </button>
            </>
          )}
        </span>
      )}
    </div>
  );
}

/** A row's text in pieces of one look each; always text, never markup. */
function pieces(row: Row, query: string) {
  const text = row.text.slice(0, MOST_LETTERS);
  const more = row.text.length - text.length;
  const hits = query === "" ? [] : places(text, query);
  if (row.spans.length === 0 && hits.length === 0 && more === 0) return text;
  const cuts = new Set([0, text.length]);
  for (const { start, end } of row.spans)
    cuts.add(Math.min(start, text.length)).add(Math.min(end, text.length));
  for (const start of hits) cuts.add(start).add(start + query.length);
  const ends = [...cuts].sort((a, b) => a - b);
  const parts = ends.slice(1).map((end, i) => {
    const start = ends[i] ?? 0;
    const style = row.spans.find((span) => span.start <= start && start < span.end)?.style;
    const isHit = hits.some((hit) => hit <= start && start < hit + query.length);
    const piece = text.slice(start, end);
    if (isHit) return <mark key={start}>{piece}</mark>;
    return style === undefined ? (
      piece
    ) : (
      <span key={start} class={classOf(style)}>
        {piece}
      </span>
    );
  });
  return (
    <>
      {parts}
      {more > 0 && <em>… {formatCount(more)} more letters</em>}
    </>
  );
}

function places(text: string, query: string): number[] {
  const found: number[] = [];
  const [where, what] = [text.toLowerCase(), query.toLowerCase()];
  // Where lower case changes the length, positions would not match the text.
  if (where.length !== text.length || what.length !== query.length) return found;
  for (
    let at = where.indexOf(what);
    at >= 0 && found.length < 1000;
    at = where.indexOf(what, at + what.length)
  )
    found.push(at);
  return found;
}

function classOf({ fg, bg, bold, dim, italic, underline, strike, inverse }: Style): string {
  const [front, back] = inverse ? [bg, fg] : [fg, bg];
  const names: string[] = [];
  if (front !== null) names.push(`f${themeColour(front)}`);
  if (back !== null) names.push(`b${themeColour(back)}`);
  else if (inverse) names.push("b7");
  if (bold) names.push("bold");
  if (dim) names.push("dim");
  if (italic) names.push("italic");
  if (underline) names.push("under");
  if (strike) names.push("strike");
  return names.join(" ");
}
