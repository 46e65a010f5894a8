import { statusLook, UNKNOWN_LOOK } from "../status";

export const TASK_MIME = "application/vnd.inductiva.task+json";
export const WIDGET_MIME = "application/vnd.jupyter.widget-view+json";

/**
 * What an output takes from its notebook file: ids, known codes, times and numbers. A file may
 * come from anyone, so none of its sentences reaches the page.
 */
export interface SavedTask {
  taskId: string;
  backendId: string;
  /** Names the widget that was displayed, in this page and this kernel only. */
  aliveKey: string | null;
  snapshot: Snapshot;
}

export interface Snapshot {
  /** A known status code, else `null`. */
  status: string | null;
  isTerminal: boolean;
  computationSeconds: number | null;
  outputFiles: number | null;
  outputBytes: number | null;
  /** When the service reported this, in ms. */
  asOf: number | null;
}

/** The schema of `display.py` that we read. Later ones may mean something else by the same words. */
const SCHEMA = 1;
const TASK_ID = /^[A-Za-z0-9_-]{1,128}$/;
const BACKEND_ID = /^[0-9a-f]{12}$/;
const ALIVE_KEY = /^[0-9a-f]{32}$/;

/** The task of an output; `null` if the data is not ours, or of a later version. */
export function savedTask(data: unknown): SavedTask | null {
  const { schema, task_id, backend, alive_key, snapshot } = fields(data);
  if (schema !== SCHEMA || !matches(task_id, TASK_ID) || !matches(backend, BACKEND_ID)) return null;
  return {
    taskId: task_id,
    backendId: backend,
    aliveKey: matches(alive_key, ALIVE_KEY) ? alive_key : null,
    snapshot: savedState(fields(snapshot)),
  };
}

/** A task id from outside, checked; blanks around it are dropped. */
export function parseTaskId(value: unknown): string | null {
  const text = typeof value === "string" ? value.trim() : null;
  return matches(text, TASK_ID) ? text : null;
}

/** The id of the widget model that the output also holds. */
export function widgetModelId(data: unknown): string | null {
  const { model_id } = fields(data);
  return typeof model_id === "string" ? model_id : null;
}

function savedState(saved: Record<string, unknown>): Snapshot {
  const { status, as_of } = saved;
  const time = typeof as_of === "string" ? Date.parse(as_of) : Number.NaN;
  return {
    status: typeof status === "string" && statusLook(status) !== UNKNOWN_LOOK ? status : null,
    isTerminal: saved.is_terminal === true,
    computationSeconds: amount(saved.computation_seconds),
    outputFiles: amount(saved.output_files),
    outputBytes: amount(saved.output_size_bytes),
    asOf: Number.isFinite(time) ? time : null,
  };
}

function fields(data: unknown): Record<string, unknown> {
  return typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
}

function matches(value: unknown, pattern: RegExp): value is string {
  return typeof value === "string" && pattern.test(value);
}

function amount(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}
