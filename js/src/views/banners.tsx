import { useEffect, useRef } from "preact/hooks";
import { formatAge, formatClock, formatCost, formatDuration, shortId } from "../format";
import type { Failure, MonitorStore } from "../monitor/store";
import type { ServiceError } from "../protocol";
import { runtimeSeconds } from "../status";
import { Banner, ErrorText, sentence } from "./banner";
import { Icon } from "./icon";

/** All banners between the phases and the tabs, the most urgent first. */
export function Banners({ store }: { store: MonitorStore }) {
  return (
    <>
      <KillQuestion store={store} />
      <KillProgress store={store} />
      <Orphaned store={store} />
      <OldState store={store} />
      <FailedAct store={store} />
    </>
  );
}

function KillQuestion({ store }: { store: MonitorStore }) {
  const keep = useRef<HTMLButtonElement>(null);
  const asking = store.askingKill.value;
  useEffect(() => {
    if (asking) keep.current?.focus();
  }, [asking]);
  const task = store.task.value;
  if (!asking || task === null) return null;
  const name = `${task.simulator ?? "task"} ${shortId(task.task_id)}`;
  const seconds = runtimeSeconds(task, store.now.value);
  const cost =
    task.cost === null ? "" : ` and cost ${formatCost(task.cost.amount, task.cost.currency)} so far`;
  return (
    <div
      class="iw-ban err"
      role="alertdialog"
      aria-label="Kill this task?"
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        store.keepRunning();
      }}
    >
      <Icon name="warn" />
      <div>
        <strong>
          Kill {name} on {task.backend.name}?
        </strong>
        <br />
        <span class="more">
          {seconds === null
            ? "It has not started to compute. "
            : `It has run for ${formatDuration(seconds)}${cost}. Files written until now are kept. `}
          It cannot be resumed.
        </span>
      </div>
      <div class="act">
        <button type="button" class="iw-b" ref={keep} onClick={() => store.keepRunning()}>
          Keep running
        </button>
        <button type="button" class="iw-b danger full" onClick={() => void store.kill()}>
          <Icon name="stop" className="s" />
          Kill task
        </button>
      </div>
    </div>
  );
}

function KillProgress({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  if (task === null || task.is_terminal) return null;
  if (store.killing.value === "waiting") {
    return (
      <Banner tone="warn" icon="wait">
        <strong>Waiting for the {store.peer}…</strong>{" "}
        <span class="more">It is busy. The task is killed as soon as it takes the message.</span>
      </Banner>
    );
  }
  const asked = store.killAskedAt.value;
  if (asked === null && task.status !== "pending-kill") return null;
  return (
    <Banner tone="warn" icon="wait">
      {asked === null ? "Kill asked." : `Kill asked at ${formatClock(asked, store.now.value)}.`} The machine
      has not answered yet; files written so far are being stored.
    </Banner>
  );
}

/** The key or the service is another one by now: stated once, with the one step that helps. */
function Orphaned({ store }: { store: MonitorStore }) {
  const error = store.orphaned.value;
  const { reload } = store.options;
  if (error === null || store.task.value === null) return null;
  const actions = reload !== undefined && (
    <button type="button" class="iw-b" onClick={reload}>
      <Icon name="refresh" className="s" />
      Reload this view
    </button>
  );
  return (
    <Banner tone="warn" icon="warn" actions={actions || undefined}>
      <ErrorText error={error} />
    </Banner>
  );
}

function OldState({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  if (task === null || !store.isOld.value) return null;
  if (!store.connected.value) {
    return (
      <Banner tone="warn" icon="warn">
        <strong>Not connected.</strong>{" "}
        <span class="more">
          What you see is from the last message of the {store.peer}. The task itself is not affected.{" "}
          {store.peer === "kernel"
            ? "Run the cell again to follow it."
            : "The connection is tried again by itself."}
        </span>
      </Banner>
    );
  }
  if (task.stale === null) return null;
  const { error, retry_in_s } = task.stale;
  const age = (store.now.value - Date.parse(task.as_of)) / 1000;
  return (
    <Banner tone="warn" icon="warn" actions={<Retry store={store} />}>
      <strong>{sentence(error.message)}</strong>{" "}
      <span class="more">
        {task.status === ""
          ? "Nothing is known of the task yet. "
          : `Everything here is ${formatAge(age)} old. `}
        The task itself is not affected.{" "}
        {retry_in_s === null
          ? `${sentence(error.hint)}${goesOn(error, store)}`
          : nextTry(Date.parse(task.server_now) + retry_in_s * 1000, store)}
      </span>
    </Banner>
  );
}

/** On a Jupyter server another key may be of another account: that needs the view to be opened anew. */
function goesOn(error: ServiceError, store: MonitorStore): string {
  const isKey = error.type === "AuthenticationError" && store.peer === "kernel";
  return isKey ? " It goes on by itself with a new key." : "";
}

function nextTry(at: number, store: MonitorStore): string {
  const seconds = Math.ceil((at - store.now.value) / 1000);
  return seconds > 0 ? `Next try in ${formatAge(seconds)}.` : "Trying again now.";
}

function Retry({ store }: { store: MonitorStore }) {
  return (
    <button type="button" class="iw-b" onClick={() => void store.refresh(true)}>
      <Icon name="refresh" className="s" />
      Retry now
    </button>
  );
}

const RETRY: Record<Failure["act"], (store: MonitorStore) => void> = {
  kill: (store) => store.askKill(),
  download: (store) => void store.files.startDownload(store.files.retryOf()),
  cancel: (store) => void store.files.cancelDownload(),
  pause: (store) => void store.files.pauseDownload(store.files.download.value?.paused !== true),
  refresh: (store) => void store.refresh(true),
};

function FailedAct({ store }: { store: MonitorStore }) {
  const failure = store.failure.value;
  if (failure === null) return null;
  const actions = (
    <>
      {failure.error.retryable && (
        <button type="button" class="iw-b" onClick={() => RETRY[failure.act](store)}>
          <Icon name="refresh" className="s" />
          Try again
        </button>
      )}
      <button
        type="button"
        class="iw-b icon ghost"
        aria-label="Dismiss"
        title="Dismiss"
        onClick={() => store.dismissFailure()}
      >
        <Icon name="close" />
      </button>
    </>
  );
  return (
    <Banner tone="err" icon="fail" role="alert" actions={actions}>
      <ErrorText error={failure.error} />
    </Banner>
  );
}
