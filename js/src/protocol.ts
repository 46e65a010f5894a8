/**
 * The messages between a view and the service behind it, whatever carries them
 * (kernel comm or Jupyter server). Mirrors `inductiva_widgets/service/protocol.py`;
 * both sides read the golden files in `tests/golden/protocol/`.
 *
 * Field names are those of Python and of the wire: snake_case, units in the name.
 * Times are ISO 8601 UTC strings, sizes bytes, durations seconds; `null` is unknown.
 */

/** A failed call, or the reason why a task's state is old. */
export interface ServiceError {
  /** Class name of `errors.py`, e.g. `NotFoundError`. */
  type: string;
  message: string;
  /** What to do next; may be empty. */
  hint: string;
  retryable: boolean;
}

export interface BackendName {
  /** 12 hex digits of the SHA-256 of the normalised origin. */
  id: string;
  /** What people read: `api.inductiva.ai`, `local engine`. */
  name: string;
}

/** Why and since when the state below is not fresh. */
export interface Stale {
  since: string;
  error: ServiceError;
  /** Seconds until the next try; `null`: polling has stopped (e.g. key refused). */
  retry_in_s: number | null;
}

/** All that the views show of a task. Small: it is also what a saved notebook keeps. */
export interface TaskSummary {
  task_id: string;
  backend: BackendName;
  simulator: string | null;
  project: string | null;
  /** Code as sent by the service; new codes pass through. */
  status: string;
  /** The service's word for people. */
  status_alias: string;
  /** Decided by the service, never derived from the code. */
  is_terminal: boolean;
  is_killable: boolean;
  /** Tasks ahead in the queue, only while `submitted`. */
  tasks_ahead: number | null;
  machine_type: string | null;
  machine_group: string | null;
  created_at: string | null;
  submitted_at: string | null;
  started_at: string | null;
  computation_started_at: string | null;
  computation_ended_at: string | null;
  ended_at: string | null;
  computation_seconds: number | null;
  cost: { amount: number; currency: string; is_final: boolean } | null;
  error_detail: string | null;
  output_files: number | null;
  output_size_bytes: number | null;
  output_packed_bytes: number | null;
  /** When the service said this (its clock). */
  as_of: string;
  /** The service's clock when this message was made: the browser ticks from it. */
  server_now: string;
  stale: Stale | null;
}

/**
 * Listing of an output archive. The bulk is `buffers[0]`, gzip of: UTF-8 names joined
 * by "\n" (`names_bytes` long, zero padded to a multiple of 8), then `count` float64
 * sizes, then `count` float64 packed sizes, little-endian. A newline inside a name is
 * sent as U+2424.
 */
export interface FileListing {
  task_id: string;
  /** Names the listing in selections and downloads. */
  revision: string;
  count: number;
  names_bytes: number;
  size_bytes: number;
  /** Size of the archive file itself. */
  archive_bytes: number;
  /** Where downloads go unless told otherwise, as shown to the user. */
  target: string;
}

export type DownloadState = "running" | "done" | "failed" | "cancelled";

/** State of one file of a download, as sent in `changed`. */
export enum FileState {
  None = 0,
  Waiting = 1,
  Fetching = 2,
  Verified = 3,
  Skipped = 4,
  Failed = 5,
}

export interface DownloadProgress {
  download_id: string;
  task_id: string;
  /** Revision of the listing that `changed` counts in. */
  revision: string;
  state: DownloadState;
  files: number;
  files_done: number;
  /** Packed bytes, as they travel. */
  bytes: number;
  bytes_done: number;
  bytes_per_s: number | null;
  seconds_left: number | null;
  target: string;
  error: ServiceError | null;
  /** Flat list index, state, index, state … since the last event. */
  changed: number[];
  /** Reason by file index, for failed files. */
  reasons: Record<string, string>;
}

export type KillOutcome = "killed" | "pending" | "already-ended";

/** Every method: its parameters and its result. Buffers are named in the comments. */
export interface Methods {
  /** State of one task; asks the service unless a fresh answer is at hand. */
  "task.get": { params: { task_id: string; refresh?: boolean }; result: TaskSummary };
  "task.kill": { params: { task_id: string }; result: { outcome: KillOutcome; task: TaskSummary } };
  /** Result buffer 0: the packed listing. */
  "outputs.list": { params: { task_id: string; refresh?: boolean }; result: FileListing };
  /** Params buffer 0: gzip of a bit set over the listing (bit i of byte i>>3, lowest first); none: all files. */
  "outputs.download": { params: { task_id: string; revision: string }; result: DownloadProgress };
  "outputs.cancel": { params: { download_id: string }; result: Record<string, never> };
  /** Tells Python what is ticked (buffer 0: bit set as above, over `count` files). Only a kernel listens. */
  "outputs.select": {
    params: { task_id: string; revision: string; count: number };
    result: Record<string, never>;
  };
  /** Newest first. */
  "tasks.list": {
    params: { last_n: number; status?: string };
    result: { tasks: TaskSummary[]; total: number };
  };
}

export type Method = keyof Methods;

/** Topics: `task/<task_id>` carries these events. */
export type TaskEvent =
  | { kind: "task"; task: TaskSummary }
  | { kind: "download"; download: DownloadProgress };

/** Topic `tasks` carries these. */
export type TasksEvent = { kind: "tasks"; tasks: TaskSummary[]; total: number };

/* ---- envelopes ---- */

/** View → service. A call repeated with the same id is answered again, not run again. */
export type ClientMessage =
  | { kind: "call"; id: string; method: Method; params: object }
  | { kind: "cancel"; id: string }
  | { kind: "subscribe"; topic: string }
  | { kind: "unsubscribe"; topic: string };

/** Service → view. `revision` rises by one per topic and subscriber; a gap means: subscribe anew. */
export type ServiceMessage =
  | { kind: "ack"; id: string }
  | { kind: "result"; id: string; result: unknown }
  | { kind: "error"; id: string; error: ServiceError }
  | { kind: "event"; topic: string; revision: number; event: TaskEvent | TasksEvent };
