import { formatCount, shortId } from "../format";
import type { TaskSummary } from "../protocol";

export function taskName({ simulator, task_id }: TaskSummary): string {
  return `${simulator ?? "Task"} ${shortId(task_id)}`;
}

const SINCE = new Intl.DateTimeFormat("en-GB", { weekday: "long", hour: "2-digit", minute: "2-digit" });
const SINCE_LONG = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "long",
  hour: "2-digit",
  minute: "2-digit",
});
const WEEK_MS = 7 * 86_400_000;

/** `While you were away: 3 finished, 1 failed since Tuesday 18:10`. */
export function awayText(finished: number, failed: number, since: string, now = Date.now()): string {
  const parts: string[] = [];
  if (finished > 0) parts.push(`${formatCount(finished)} finished`);
  if (failed > 0) parts.push(`${formatCount(failed)} failed`);
  const time = Date.parse(since);
  const format = now - time < WEEK_MS ? SINCE : SINCE_LONG;
  const then = Number.isFinite(time) ? ` since ${format.format(time).replaceAll(",", "")}` : "";
  return `While you were away: ${parts.join(", ")}${then}`;
}
