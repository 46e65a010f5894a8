import { useEffect, useState } from "preact/hooks";
import { formatClock, formatStamp, shortId } from "../format";
import type { MonitorStore } from "../store";
import { Badge } from "./badge";
import { Icon } from "./icon";

export function Head({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  return (
    <header class="iw-head">
      <Badge task={task} old={store.isOld.value} />
      <div class="iw-title">
        <h3>{task === null ? <span class="iw-m">Task</span> : (task.simulator ?? "Task")}</h3>
        <span class="iw-id" title={store.taskId}>
          {shortId(store.taskId)}
        </span>
        <CopyId store={store} />
      </div>
      <div class="iw-side">
        <AsOf store={store} />
        <button
          type="button"
          class="iw-b icon ghost"
          aria-label="Refresh"
          title="Refresh (R)"
          disabled={!store.connected.value}
          onClick={() => void store.refresh(true)}
        >
          <Icon name="refresh" className={store.refreshing.value === "waiting" ? "iw-turn" : ""} />
        </button>
      </div>
    </header>
  );
}

/** How long "copied" stays: long enough to be seen, short enough to try again. */
const COPIED_MS = 1600;

function CopyId({ store }: { store: MonitorStore }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    await copyText(store.taskId);
    store.announcement.value = "Task id copied.";
    setCopied(true);
  };
  const label = copied ? "Copied" : "Copy task id";
  return (
    <button
      type="button"
      class={`iw-b icon ghost s copy ${copied ? "ok" : ""}`}
      aria-label={label}
      title={`${label} (C)`}
      data-key="c"
      onClick={() => void copy()}
    >
      <Icon name={copied ? "check" : "copy"} />
    </button>
  );
}

/** navigator.clipboard exists on https and localhost only; the old way needs a selected field. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.style.position = "fixed";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

function AsOf({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  if (store.refreshing.value === "waiting") return <span class="iw-asof">Waiting for the {store.peer}…</span>;
  if (task === null) return null;
  const ended = task.is_terminal ? task.ended_at : null;
  const time = Date.parse(ended ?? task.as_of);
  const clock = formatClock(time, store.now.value);
  const words = ended === null ? "as of" : clock.includes(" ") ? "ended" : "ended at";
  return (
    <span class={store.isOld.value ? "iw-asof old" : "iw-asof"} title={formatStamp(time)}>
      {store.isOld.value && <Icon name="warn" className="s" />}
      {words} {clock}
    </span>
  );
}
