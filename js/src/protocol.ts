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
  /** 12 hex digits: of the SHA-256 of the normalised origin, or of a local engine for as long as its folder lives. */
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

/** An amount in a currency that the service named. */
export interface Money {
  amount: number;
  currency: string;
}

/** What a task has cost by now, or in all. */
export interface Cost extends Money {
  is_final: boolean;
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
  cost: Cost | null;
  error_detail: string | null;
  output_files: number | null;
  output_size_bytes: number | null;
  output_packed_bytes: number | null;
  /** When the service reported this (its clock). */
  as_of: string;
  /** The service's clock when this message was made: the browser ticks from it. */
  server_now: string;
  stale: Stale | null;
}

/**
 * Listing of an output archive. The bulk is `buffers[0]`, gzip of: UTF-8 names joined
 * by "\n" (`names_bytes` long, zero padded to a multiple of 8), then `count` float64
 * sizes, then `count` float64 packed sizes, little-endian. What cannot be seen
 * inside a name is sent as a sign: a newline as U+2424.
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
  /** Where downloads go unless another folder is named, as shown to the user. */
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
  /** On disk with the size of the listing; as `outputs.check` reports, like the next two. */
  SameSize = 6,
  Differs = 7,
  /** On disk with the size and CRC-32 of the listing. */
  Same = 8,
}

export type Overwrite = "error" | "skip" | "replace" | "rename";

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
  /** Nothing is received until it goes on. */
  paused: boolean;
  /** The archive itself is fetched, not files of it. */
  is_archive: boolean;
  /** Flat list index, percent … of files that are not complete. */
  percents: number[];
}

/** What the target folder has of a listing. */
export interface LocalFiles {
  /** The folder, as shown to the user. */
  target: string;
  /** Flat list index, state …: `SameSize`, `Differs` or `Same`; all other files are not there. */
  changed: number[];
}

/** What a file is shown as: by its name and its first bytes. */
export type PreviewKind = "text" | "csv" | "json" | "image" | "vtk" | "binary";

/** A part of an output file, read by ranges of the archive. */
export interface FilePreview {
  revision: string;
  index: number;
  kind: PreviewKind;
  /** Of an image; else empty. */
  media_type: string;
  /** Bytes of the whole file. */
  size: number;
  /** Where the part in `buffers[0]` begins. */
  offset: number;
  /** Most bytes that are sent for this kind; larger pictures are not sent at all. */
  limit: number;
}

/** What happens in a phase. */
export type PhaseKind =
  | "waiting"
  | "queue"
  | "preparing"
  | "command"
  | "computing"
  | "packing"
  | "stopping"
  | "lost"
  | "other";

/** One phase of a task's life, begun already; oldest first. Mirrors `inductiva_widgets/phases.py`. */
export interface Phase {
  kind: PhaseKind;
  /** The word for people: `Queue`, or the command. */
  label: string;
  start: string;
  /** `null` while it lasts. */
  end: string | null;
  seconds: number;
  command: string | null;
  exit_code: number | null;
  state: "done" | "running" | "failed";
}

/** Why a task ended badly, for people. Mirrors `inductiva_widgets/causes.py`. */
export interface Cause {
  kind: string;
  /** One plain sentence. */
  sentence: string;
  /** What else the service or the log reports about it; may be empty. */
  detail: string;
  /** The one sensible next step; may be empty. */
  step: string;
}

/** Rows of the machine; unknown ones are `null`. */
export interface MachineFacts {
  provider: string | null;
  type: string | null;
  name: string | null;
  hosts: number | null;
  cpus: number | null;
  cores: number | null;
  memory_bytes: number | null;
}

/** What the views show of a task beyond its summary. */
export interface TaskDetails {
  task_id: string;
  phases: Phase[];
  /** Command lines that the task was given. Those without a phase have not begun. */
  commands: string[];
  /** Of a task that did not end well, as far as the record shows it. */
  cause: Cause | null;
  /** Of the machine group; `null`: not known, or there is none. */
  cost_per_hour: Money | null;
  /** The machine that the group has, also before one picked the task up. */
  machine_type: string | null;
  /** Median of the listed runs of this simulator on this machine type. */
  usual_seconds: number | null;
  machine: MachineFacts | null;
  container_image: string | null;
  region: string | null;
  retries: number | null;
  resubmits_on_preemption: boolean | null;
  input_files: string[];
  input_size_bytes: number | null;
  input_packed_bytes: number | null;
  fee: Money | null;
  metadata: Record<string, string>;
  /** The task's stages may be asked for again after this time; `null`: only when its status changes. */
  refresh_in_s: number | null;
}

/** Last lines of a log. */
export interface LogEnd {
  file: string;
  lines: string[];
  /** Number of lines in the whole file; `null` when only its end was read. */
  total: number | null;
}

/** Last words of a failed task, read by ranges of its archive. */
export interface TaskFailure {
  cause: Cause | null;
  /** `null`: there is no log, or none that can be read. */
  tail: LogEnd | null;
}

/** What one command wrote to a log. */
export interface LogPart {
  /** `null`: text that no command is known of. */
  command: string | null;
  seconds: number | null;
  exit_code: number | null;
  state: "done" | "running" | "failed" | null;
  /** Number of its first line, from 0 in the whole file. */
  line: number;
  lines: number;
  /**
   * Flat list: offset, bytes, lines of the first block of its text, of the second … A block of negative bytes
   * stands for as many that cannot be read here.
   */
  blocks: number[];
}

export interface LogFile {
  name: string;
  size: number;
  /** Only so many of its bytes can be read here. */
  read: number;
  lines: number;
  parts: LogPart[];
  /** Numbers of lines that report an error: of each stretch that can be read the first 200. */
  errors: number[];
}

export interface LogsOpened {
  task_id: string;
  /** Names the logs when they are read. */
  revision: string;
  logs: LogFile[];
}

/** What came of a range of a log. */
export interface LogRange {
  offset: number;
  length: number;
  /** How much can be read in all. */
  size: number;
}

/** How many lines a search found. */
export interface LogsFound {
  count: number;
}

export interface MachineColumn {
  name: string;
  /** The chart that it is for; `null`: none that is known. */
  kind: "cpu" | "memory" | "disk-read" | "disk-written" | "received" | "sent" | null;
}

/**
 * What the machine did. The bulk is `buffers[0]`, gzip of little-endian float64: `rows` of time in
 * seconds since `start`, then as many of each column; NaN is unknown.
 */
export interface MachineMetrics {
  task_id: string;
  /** `null` without rows. */
  start: string | null;
  rows: number;
  columns: MachineColumn[];
}

/** The file written last. */
export interface NewestFile {
  name: string;
  /** At `as_of`. */
  seconds_ago: number;
}

/** Files that a running task has by now. */
export interface LiveFiles {
  task_id: string;
  files: string[];
  /** `null` where they are unknown. */
  sizes: number[] | null;
  /** More files than are named. */
  left_out: number;
  newest: NewestFile | null;
  /** The usual time between two writes; `null` while it is not known. */
  usual_s: number | null;
  /** Nothing written for so long is worth a word. */
  quiet_after_s: number;
  as_of: string;
}

/** A process of a running task's machine. */
export interface TopProcess {
  pid: number;
  user: string;
  /** Percent of one processor. */
  cpu: number;
  /** Percent of all memory. */
  memory: number;
  time: string;
  command: string;
}

/** What `top` reports of a running task's machine, busiest processes first. */
export interface LiveTop {
  task_id: string;
  /** Of 1, 5 and 15 minutes; empty where it is unknown. */
  load: number[];
  cpu_percent: number | null;
  memory_bytes: number | null;
  memory_used_bytes: number | null;
  processes: TopProcess[];
  left_out: number;
  as_of: string;
}

/** How far a simulation is in its own time; `null` is not known. */
export interface SimulatedTime {
  value: number;
  end: number | null;
  unit: string;
  seconds_left: number | null;
}

/** `lost`: the connection is gone, and is tried again. */
export type FollowState = "connecting" | "following" | "lost" | "ended" | "unavailable";

/** Whole lines of a log, joined by newlines. */
export interface LogChunk {
  name: string;
  /** Number of the first line, from 0 since following began; what is missing between two chunks was too much to send. */
  line: number;
  text: string;
}

export type KillOutcome = "killed" | "pending" | "already-ended";

/** How the kill of a task ended, and its state after that. */
export interface KillResult {
  outcome: KillOutcome;
  task: TaskSummary;
}

/** The newest tasks, newest first. */
export interface NewestTasks {
  tasks: TaskSummary[];
  /** How many there are. */
  total: number;
}

/**
 * All tasks. The bulk is `buffers[0]`: gzip of a JSON object with a list of `count` values for each of
 * `TASK_COLUMNS`, those of `TaskSummary`, and for `metadata` (notes of the task, `null` without any).
 */
export interface TaskCollection {
  count: number;
  /** How many there are; only the newest 50,000 are listed. */
  total: number;
  backend: BackendName;
  as_of: string;
  server_now: string;
}

export const TASK_COLUMNS = [
  "task_id",
  "simulator",
  "project",
  "status",
  "status_alias",
  "is_terminal",
  "is_killable",
  "machine_type",
  "created_at",
  "submitted_at",
  "computation_started_at",
  "computation_ended_at",
  "ended_at",
  "computation_seconds",
  "cost",
  "output_files",
  "output_packed_bytes",
] as const satisfies readonly (keyof TaskSummary)[];

/** Two tasks beside each other. Lists have two members, in the order asked for. */
export interface TaskComparison {
  tasks: TaskSummary[];
  details: TaskDetails[];
  inputs: ComparedInputs;
}

/** A file with another content, or that only one of the tasks has: its size is `null` at the other. */
export interface InputDifference {
  name: string;
  sizes: (number | null)[];
}

/** Inputs by name, size and CRC-32. */
export interface ComparedInputs {
  /** Number of files that are the same. */
  same: number;
  differences: InputDifference[];
  /** More files that differ than are named. */
  left_out: number;
  /** Why the inputs cannot be compared; the rest has no meaning then. */
  error: ServiceError | null;
}

/** How the kill of one task among several ended. */
export interface TaskKill {
  task_id: string;
  outcome: KillOutcome | "failed";
  error: ServiceError | null;
}

export interface TaskKills {
  outcomes: TaskKill[];
}

export type BatchState = "planned" | "running" | "done" | "failed" | "cancelled";

/** A task of a batch whose files were not all delivered. */
export interface BatchFailure {
  task_id: string;
  error: ServiceError;
}

/** State of a download of several tasks. Bytes are packed, of the tasks begun so far. */
export interface BatchProgress {
  batch_id: string;
  state: BatchState;
  tasks: number;
  tasks_done: number;
  files_done: number;
  bytes: number;
  bytes_done: number;
  bytes_per_s: number | null;
  /** Folder that holds one for each task, as shown to the user. */
  target: string;
  failures: BatchFailure[];
}

/** Downloads of a task. */
export interface TaskDownloads {
  downloads: DownloadProgress[];
}

/** The name of a bundle. */
export interface ViewCode {
  name: string;
}

/** Whether a notice reports the end of a task. */
export interface WatchedTask {
  on: boolean;
}

/** Whether a page was the first to ask for a notice. */
export interface NoticeClaim {
  is_first: boolean;
}

/** Every method: its parameters and its result. Buffers are named in the comments. */
export interface Methods {
  /** State of one task; asks the service unless there is a fresh answer. */
  "task.get": { params: { task_id: string; refresh?: boolean }; result: TaskSummary };
  "task.kill": { params: { task_id: string }; result: KillResult };
  /** From what is known; `refresh` asks the service when the answer is older than `refresh_in_s`. */
  "task.details": { params: { task_id: string; refresh?: boolean }; result: TaskDetails };
  "task.failure": { params: { task_id: string }; result: TaskFailure };
  "logs.open": { params: { task_id: string; refresh?: boolean }; result: LogsOpened };
  /** Result buffer 0: at most 1 MB of the text. */
  "logs.read": {
    params: { task_id: string; revision: string; name: string; offset: number; length: number };
    result: LogRange;
  };
  /** Result buffer 0: float64 numbers of lines that hold the query, the first 100,000. */
  "logs.search": {
    params: { task_id: string; revision: string; name: string; query: string };
    result: LogsFound;
  };
  "live.files": { params: { task_id: string }; result: LiveFiles };
  "live.top": { params: { task_id: string }; result: LiveTop };
  /** Result buffer 0: the packed measures, of a task that runs those so far. */
  "machine.metrics": { params: { task_id: string }; result: MachineMetrics };
  /** Result buffer 0: the packed listing. */
  "outputs.list": { params: { task_id: string; refresh?: boolean; folder?: string }; result: FileListing };
  /** Params buffer 0: gzip of a bit set over the listing (bit i of byte i>>3, lowest first); none: all files. */
  "outputs.download": {
    params: {
      task_id: string;
      revision: string;
      folder?: string;
      /** What becomes of files with another content; `error` unless given. */
      overwrite?: Overwrite;
      /** `false`: the archive as it is. */
      uncompress?: boolean;
    };
    result: DownloadProgress;
  };
  "outputs.cancel": { params: { download_id: string }; result: Record<string, never> };
  "outputs.pause": { params: { download_id: string; paused: boolean }; result: Record<string, never> };
  /** Downloads of the task on their way, or the last one, with the state of every file. */
  "outputs.state": { params: { task_id: string }; result: TaskDownloads };
  /** Compares the target folder by sizes; by contents too, as far as 64 MB go. */
  "outputs.check": {
    params: { task_id: string; revision: string; folder?: string };
    result: LocalFiles;
  };
  /** Result buffer 0: bytes of the file from `offset` on, or its last ones. */
  "outputs.preview": {
    params: {
      task_id: string;
      revision: string;
      index: number;
      offset?: number;
      length?: number;
      end?: boolean;
    };
    result: FilePreview;
  };
  /** Sends Python what is ticked (buffer 0: bit set as above, over `count` files). Only a kernel listens. */
  "outputs.select": {
    params: { task_id: string; revision: string; count: number };
    result: Record<string, never>;
  };
  /** Newest first. `ids`: as if there were no other tasks; those unknown to the service are left out. */
  "tasks.list": {
    params: { last_n: number; status?: string; ids?: string[] };
    result: NewestTasks;
  };
  /** Result buffer 0: the packed tasks. `refresh`: not satisfied with an answer of the last seconds. */
  "tasks.all": { params: { refresh?: boolean; ids?: string[] }; result: TaskCollection };
  "tasks.kill": { params: { task_ids: string[] }; result: TaskKills };
  /** The same files of each task, all if `null`. `plan`: only the target. Progress: topic `batch/<id>`. */
  "tasks.download": {
    params: { task_ids: string[]; filenames: string[] | null; plan?: boolean; folder?: string };
    result: BatchProgress;
  };
  /** Of two tasks. Takes as long as two listings of input archives. */
  "tasks.compare": { params: { task_ids: string[] }; result: TaskComparison };
  /** Sends Python which tasks are ticked. Only a kernel listens. */
  "tasks.select": { params: { task_ids: string[] }; result: Record<string, never> };
  /** Result buffer 0: gzip of the module that paints first, by its name. Only a kernel answers. */
  "view.code": { params: Record<string, never>; result: ViewCode };
  /** Result buffer 0: gzip of the module with the views that no first paint needs. Only a kernel answers. */
  "view.parts": { params: Record<string, never>; result: Record<string, never> };
  "batch.cancel": { params: { batch_id: string }; result: Record<string, never> };
  /** Whether a notice reports the end of a task. A Jupyter server only, as the next one. */
  "tasks.watch": { params: { task_id: string; on: boolean }; result: WatchedTask };
  /** A page shows a notice when it `is_first` to ask. */
  "notices.seen": { params: { notice_id: string }; result: NoticeClaim };
}

export type Method = keyof Methods;

/** Topic `task/<task_id>` carries these events, and the next ones. */
export interface StateEvent {
  kind: "task";
  task: TaskSummary;
}

export interface DownloadEvent {
  kind: "download";
  download: DownloadProgress;
}

export type TaskEvent = StateEvent | DownloadEvent;

/** Topic `tasks` carries these. */
export interface TasksEvent {
  kind: "tasks";
  tasks: TaskSummary[];
  /** How many there are. */
  total: number;
}

/** Topic `batch/<batch_id>` carries these. */
export interface BatchEvent {
  kind: "batch";
  batch: BatchProgress;
}

/** Topic `logs/<task_id>#<view>` carries these while the task runs: lines in the order in which they came. */
export interface LogEvent {
  kind: "log";
  task_id: string;
  /** Names what the numbers of lines count in. */
  feed: string;
  state: FollowState;
  /** Why it is unavailable. */
  error: ServiceError | null;
  chunks: LogChunk[];
}

/** Topic `progress/<task_id>#<view>` carries these while the task runs; `null`: the log states none. */
export interface ProgressEvent {
  kind: "progress";
  task_id: string;
  progress: SimulatedTime | null;
}

/** What ended since the last look. Topic `notices` carries notices; they are shown after `notices.seen`. */
export interface AwayNotice {
  kind: "away";
  notice_id: string;
  since: string;
  finished: TaskSummary[];
  failed: TaskSummary[];
}

/** A watched task has ended. */
export interface EndedNotice {
  kind: "ended";
  notice_id: string;
  task: TaskSummary;
}

/** From a Jupyter server only. */
export type NoticeEvent = AwayNotice | EndedNotice;

/* ---- envelopes ---- */

/** View → service. A call repeated with the same id is answered again, not run again. */
export type ClientMessage =
  | { kind: "call"; id: string; method: Method; params: object }
  | { kind: "subscribe"; topic: string }
  | { kind: "unsubscribe"; topic: string };

/** Service → view. `revision` rises by one per topic and subscriber; a gap means: subscribe anew. */
export type ServiceMessage =
  | { kind: "ack"; id: string }
  | { kind: "result"; id: string; result: unknown }
  | { kind: "error"; id: string; error: ServiceError }
  | {
      kind: "event";
      topic: string;
      revision: number;
      event: TaskEvent | TasksEvent | BatchEvent | LogEvent | ProgressEvent | NoticeEvent;
    };
