import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { formatCount, formatSize, formatSizeOf } from "../format";
import type { IconName } from "../icons";
import { BOTH } from "../logs/live";
import type { LogModel } from "../logs/model";
import { hasText } from "../logs/store";
import type { MonitorStore } from "../monitor/store";
import { Banner, ErrorText } from "./banner";
import { CopyButton } from "./copy";
import { Empty } from "./empty";
import { Icon } from "./icon";
import { useKeys } from "./keys";
import { Dropped, FollowBar, NothingFollowed } from "./logs-live";
import { LogText } from "./logs-text";

/** The tab of the logs. */
export function Logs({ store }: { store: MonitorStore }) {
  const { logs } = store;
  const task = store.task.value;
  const ended = task?.is_terminal === true;
  const begun = task?.computation_started_at != null;
  useEffect(() => {
    if (ended) void logs.load();
    else if (begun) logs.follow();
  }, [logs, begun, ended]);
  // The end of the task does not end it: the rest of the log may still be on its way.
  useEffect(() => () => logs.live.stop(), [logs]);
  const state = logs.state.value;
  if (task === null) return <LogSkeleton />;
  if (!ended && !begun) return <NotBegun />;
  if (state.kind === "live" && !logs.live.hasText.value) return <NothingFollowed store={store} />;
  if (state.kind === "failed") return <NotRead store={store} />;
  if (state.kind === "none" || state.kind === "loading") {
    const waiting = state.kind === "loading" && state.waiting;
    return (
      <LogSkeleton>
        {waiting && <p class="iw-waiting">Waiting for the {store.peer}: it is busy.</p>}
      </LogSkeleton>
    );
  }
  const { log } = logs;
  if (log === null) {
    return (
      <Empty
        icon="file"
        title="This task has no logs"
        text="Neither stdout.txt nor stderr.txt is among its files."
      />
    );
  }
  return (
    <>
      <OpenLogs store={store} log={log} all={state.logs} />
      {state.kind === "live" && <FollowBar store={store} />}
    </>
  );
}

interface OpenLogsProps {
  store: MonitorStore;
  log: LogModel;
  all: readonly LogModel[];
}

function OpenLogs({ store, log, all }: OpenLogsProps) {
  const search = useRef<HTMLInputElement>(null);
  const pane = useRef<HTMLDivElement>(null);
  const { logs } = store;
  const isLive = logs.state.value.kind === "live";
  useKeys(store, {
    "/": () => search.current?.focus(),
    n: () => logs.step(1),
    N: () => logs.step(-1),
    w: () => logs.toggleWrap(),
    f: () => {
      if (logs.state.peek().kind !== "live") return;
      if (logs.live.paused.peek()) logs.live.resume();
      else logs.live.pause();
    },
  });
  return (
    <>
      <div class="iw-tools iw-logtools">
        <fieldset class="iw-seg" aria-label="Which log">
          {all.map(({ file }) => (
            <button
              key={file.name}
              type="button"
              class={file.name === "stderr.txt" ? "err" : ""}
              aria-pressed={file.name === log.file.name}
              onClick={() => logs.show(file.name)}
            >
              <span data-bold={wordOf(file.name)}>{wordOf(file.name)}</span>
              {file.errors.length > 0 && <span class="iw-dot" title="Tells of errors" />}
            </button>
          ))}
        </fieldset>
        <Search store={store} field={search} pane={pane} />
        <span class="iw-sp" />
        {!isLive && <span class="iw-m iw-nw opt">{formatSize(log.file.size)}</span>}
        <span class="iw-acts">
          <button
            type="button"
            class="iw-b icon ghost"
            aria-label="Wrap lines"
            aria-pressed={logs.wraps.value}
            title="Wrap lines (W)"
            onClick={() => logs.toggleWrap()}
          >
            <Icon name="wrap" />
          </button>
          <CopyButton
            store={store}
            text={() => selectedIn(pane.current) || log.loadedText()}
            label="Copy the selection, or all text that is loaded"
            said="Log copied."
          />
          {logs.file >= 0 && (
            <button
              type="button"
              class="iw-b icon ghost"
              aria-label={`Download ${log.file.name}`}
              title={`Download ${log.file.name}`}
              disabled={store.files.download.value?.state === "running"}
              onClick={() => void logs.download()}
            >
              <Icon name="download" />
            </button>
          )}
        </span>
      </div>
      {log.file.read < log.file.size && <Cut store={store} log={log} />}
      {isLive && <Dropped log={log} version={logs.version.value} />}
      {hasText(log) || log.hasHeads || isLive ? (
        <LogText store={store} log={log} pane={pane} />
      ) : (
        <Empty icon="file" title={`${log.file.name} is empty`} text="Nothing was written to it." />
      )}
    </>
  );
}

/** How much of a long log is here. */
function Cut({ store, log: { file } }: { store: MonitorStore; log: LogModel }) {
  const { logs } = store;
  const isFromBothEnds = file.parts.some(({ blocks }) => blocks.some((number) => number < 0));
  const which = isFromBothEnds ? "the beginning and the end" : "the beginning";
  return (
    <p class="iw-cut-note">
      {formatSizeOf(file.read, file.size)} can be read and searched here: {which}.
      {logs.file >= 0 && (
        <>
          {" "}
          <button type="button" class="iw-link" onClick={() => void logs.download()}>
            Download {file.name}
          </button>{" "}
          for the rest.
        </>
      )}
    </p>
  );
}

function wordOf(name: string): string {
  return name === BOTH ? "Both" : name.replace(/\.txt$/, "");
}

interface SearchProps {
  store: MonitorStore;
  field: RefObject<HTMLInputElement | null>;
  pane: RefObject<HTMLDivElement | null>;
}

function Search({ store, field, pane }: SearchProps) {
  const { logs } = store;
  const query = logs.query.value;
  const hits = logs.hits.value;
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter") logs.step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape" && query !== "") logs.setQuery("");
    else if (event.key === "Escape" || event.key === "ArrowDown") pane.current?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <label class="iw-search">
      <Icon name="search" className="s" />
      <input
        ref={field}
        type="text"
        inputMode="search"
        placeholder="Search log"
        aria-label="Search log"
        maxLength={200}
        value={query}
        spellcheck={false}
        onInput={(event) => logs.setQuery(event.currentTarget.value)}
        onKeyDown={onKey}
      />
      {query === "" ? (
        <span class="iw-kbd">/</span>
      ) : (
        <>
          <span class="iw-hits">{hits === null ? "…" : hitWords(hits.at, hits.lines.length)}</span>
          <Step store={store} by={-1} />
          <Step store={store} by={1} />
        </>
      )}
    </label>
  );
}

function Step({ store, by }: { store: MonitorStore; by: 1 | -1 }) {
  const { logs } = store;
  const [name, key, icon]: [string, string, IconName] =
    by === 1 ? ["Next hit", "N", "down"] : ["Previous hit", "Shift+N", "up"];
  return (
    <button
      type="button"
      class="iw-b icon ghost xs"
      aria-label={name}
      title={`${name} (${key})`}
      disabled={(logs.hits.value?.lines.length ?? 0) === 0}
      onClick={() => logs.step(by)}
    >
      <Icon name={icon} className="s" />
    </button>
  );
}

function hitWords(at: number, count: number): string {
  return count === 0 ? "none" : `${formatCount(at + 1)} of ${formatCount(count)}`;
}

/** The text that is selected inside an element. */
function selectedIn(element: HTMLElement | null): string {
  const selection = document.getSelection();
  if (element === null || selection === null || selection.isCollapsed) return "";
  return selection.containsNode(element, true) || element.contains(selection.anchorNode)
    ? selection.toString()
    : "";
}

function NotBegun() {
  return (
    <Empty icon="wait" title="No log yet" text="The task has not begun to compute. Its log comes then." />
  );
}

const NOT_READY = "OutputsNotReadyError";

function NotRead({ store }: { store: MonitorStore }) {
  const state = store.logs.state.value;
  if (state.kind !== "failed") return null;
  const { error } = state;
  if (error.type === NOT_READY)
    return <Empty icon="file" title="This task has no logs" text={error.message} />;
  const again = (
    <button type="button" class="iw-b" onClick={() => void store.logs.load(true)}>
      <Icon name="refresh" className="s" />
      Try again
    </button>
  );
  return (
    <Banner tone="err" icon="fail" role="alert" actions={again}>
      <ErrorText error={error} />
    </Banner>
  );
}

const SKELETON = ["62%", "48%", "70%", "34%", "56%", "44%"];

function LogSkeleton({ children }: { children?: preact.ComponentChildren }) {
  return (
    <div class="iw-loading iw-logloading" aria-busy="true">
      {SKELETON.map((width) => (
        <span key={width} class="iw-sk" style={{ "--w": width }} />
      ))}
      {children}
    </div>
  );
}
