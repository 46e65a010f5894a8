import type { TaskSummary } from "../protocol";
import { pastWord, statusLook, statusWord, UNKNOWN_LOOK } from "../status";
import { Icon } from "./icon";

/** The status of a task as pill: icon, colour, the service's word. Old data are worded in the past tense. */
export function Badge({ task, old, failed }: { task: TaskSummary | null; old: boolean; failed: boolean }) {
  if (task === null && failed) {
    return (
      <span class="iw-badge stale">
        <Icon name="unknown" />
        Not known
      </span>
    );
  }
  if (task === null) {
    return (
      <span class="iw-badge">
        <Icon name="wait" />
        Loading…
      </span>
    );
  }
  const look = old ? UNKNOWN_LOOK : statusLook(task.status);
  const className = old ? "iw-badge stale" : `iw-badge iw-tone-${look.tone}`;
  return (
    <span class={className} data-status={task.status}>
      <Icon name={look.icon} className={look.turns ? "iw-turn" : ""} />
      <span class="iw-cut" title={task.status_alias}>
        {old ? pastWord(task) : statusWord(task)}
      </span>
    </span>
  );
}

/** The same without the pill, for rows. */
export function StatusIcon({ task, old }: { task: TaskSummary; old: boolean }) {
  const look = old ? UNKNOWN_LOOK : statusLook(task.status);
  return <Icon name={look.icon} className={`iw-st iw-tone-${look.tone} ${look.turns ? "iw-turn" : ""}`} />;
}
