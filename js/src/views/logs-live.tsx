import { countOf, formatAge, formatCount } from "../format";
import type { LiveState } from "../logs/live";
import type { LogModel } from "../logs/model";
import type { MonitorStore } from "../monitor/store";
import { Empty } from "./empty";
import { Icon } from "./icon";

/** Why there is no line yet, or will be none. */
export function NothingFollowed({ store }: { store: MonitorStore }) {
  const { live } = store.logs;
  const state = live.state.value;
  if (state.kind === "unavailable") {
    return (
      <Empty
        icon="warn"
        title="The log cannot be followed"
        text={`${state.error.message} ${state.error.hint} It can be read here once the task has ended.`}
      >
        <Again store={store} />
      </Empty>
    );
  }
  if (state.kind === "ended") {
    return (
      <Empty
        icon="wait"
        title="Nothing was written"
        text="The task has computed. Its outputs are stored now."
      />
    );
  }
  if (state.kind === "following") {
    const text = "Lines appear here as they are written.";
    return <Empty icon="wait" title="Nothing has been written yet" text={text} />;
  }
  const isLost = state.kind === "lost";
  return (
    <Empty
      icon={isLost ? "warn" : "wait"}
      title={isLost ? "The connection is lost" : "Connecting to the machine…"}
      text={isLost ? "It is tried again." : "The log comes from there while the task runs."}
    />
  );
}

function Again({ store }: { store: MonitorStore }) {
  return (
    <button type="button" class="iw-b" onClick={() => store.logs.live.retry()}>
      <Icon name="refresh" className="s" />
      Try again
    </button>
  );
}

/** States how much is no longer kept. */
export function Dropped({ log }: { log: LogModel; version: number }) {
  const count = log.sections[0]?.skipped ?? 0;
  if (count === 0) return null;
  return (
    <p class="iw-cut-note">
      {formatCount(count)} earlier lines are not kept here. All of them can be read once the task has ended.
    </p>
  );
}

/** Whether the log is followed, and the way back when it is not. */
export function FollowBar({ store }: { store: MonitorStore }) {
  const { logs } = store;
  const { live } = logs;
  const state = live.state.value;
  const isPaused = live.paused.value;
  const error = logs.openError.value ?? (state.kind === "unavailable" ? state.error : null);
  return (
    <div class={`iw-follow ${error === null ? "" : "off"}`}>
      <span class={`dot ${isPaused || state.kind !== "following" ? "" : "on"}`} />
      {error === null ? (
        <span class="iw-cut" role="status">
          <b>{isPaused && state.kind === "following" ? "Paused" : WORDS[state.kind]}</b>
          <Since store={store} />
        </span>
      ) : (
        <span class="say" role="status">
          {error.message} {error.hint}
        </span>
      )}
      <span class="iw-sp" />
      {error !== null && (
        <button
          type="button"
          class="iw-link"
          onClick={() => (logs.openError.peek() === null ? live.retry() : void logs.load())}
        >
          Try again
        </button>
      )}
      {(error === null || isPaused) && <FollowButton store={store} />}
    </div>
  );
}

function FollowButton({ store }: { store: MonitorStore }) {
  const { live } = store.logs;
  const count = live.fresh.value;
  if (!live.paused.value) {
    return (
      <button type="button" class="iw-link" title="Pause (F)" onClick={() => live.pause()}>
        Pause
      </button>
    );
  }
  return (
    <button type="button" class="iw-b xs go" title="Follow (F)" onClick={() => live.resume()}>
      <Icon name="down" className="s" />
      {count === 0 ? "Follow" : countOf(count, "new line")}
    </button>
  );
}

const WORDS: Record<LiveState["kind"], string> = {
  connecting: "Connecting…",
  following: "Following",
  lost: "Connection lost, trying again",
  ended: "All was written, the outputs are being stored",
  unavailable: "",
};

function Since({ store }: { store: MonitorStore }) {
  const last = store.logs.live.lastAt.value;
  if (last === null) return null;
  const seconds = (store.now.value - last) / 1000;
  return (
    <span class="iw-m"> · {seconds < 2 ? "last line just now" : `last line ${formatAge(seconds)} ago`}</span>
  );
}
