import { formatClock, formatStamp, shortId } from "../format";
import type { MonitorStore } from "../monitor/store";
import { Badge } from "./badge";
import { CopyButton } from "./copy";
import { Icon } from "./icon";
import { Menu } from "./menu";

export function Head({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  return (
    <header class="iw-head">
      <Badge task={task} old={store.isOld.value} failed={store.loadError.value !== null} />
      <div class="iw-title">
        <h3 title={task?.simulator ?? undefined}>
          {task === null ? <span class="iw-m">Task</span> : (task.simulator ?? "Task")}
        </h3>
        <span class="iw-id" title={store.taskId}>
          {shortId(store.taskId)}
        </span>
        <CopyButton
          store={store}
          text={store.taskId}
          label="Copy task id"
          said="Task id copied."
          shortcut="C"
        />
      </div>
      <div class="iw-side">
        <AsOf store={store} />
        <Menu store={store} />
      </div>
    </header>
  );
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
