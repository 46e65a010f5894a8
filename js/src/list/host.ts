import type { BackendName, ServiceError } from "../protocol";

/** What the list may ask of the place that it is shown in. */
export interface TaskListHost {
  /** `panel`: fills a narrow place at the side. `table`: as high as its rows, in the flow of a page. */
  layout?: "panel" | "table";
  /** The user chose a task. */
  onOpen(taskId: string): void;
  /** Puts code that gives the task where the user writes. Absent: no such button. */
  onInsert?(taskId: string): void;
  /** Called when the ticked tasks change. */
  onSelect?(taskIds: string[]): void;
  /** How a first key is set, or an engine started. Absent: hints in words only. */
  account?: ListAccount;
  /** More than one service: the foot offers them. */
  backends?: BackendChooser;
  /** Shows two ticked tasks beside each other. Absent: no such button. */
  onCompare?(taskIds: readonly string[]): void;
  /** How many of the newest are loaded at first, 100 if not given; `null`: all. */
  lastN?: number | null;
  /** What is left out at first; the reader may take that away. */
  filters?: TaskFilters;
  /** Ticked at first. */
  selected?: readonly string[];
  /** The tasks were chosen one by one: an empty list is not a new account. */
  isChosen?: boolean;
  /** Under this name the reader's search, sort and grouping outlive a reload of the page. Absent: they do not. */
  memory?: string;
  /** Nothing can be killed. */
  readonly?: boolean;
  /** What is wrong with the place itself, if anything; shown above the rows. */
  readonly trouble?: ServiceError | null;
}

/** `null`: any. */
export interface TaskFilters {
  /** A code of the service. */
  status: string | null;
  project: string | null;
}

export interface ListAccount {
  /** `exists`: there is another key, and `replace` is false. Rejects with a `ServiceFailure`. */
  setKey(key: string, replace: boolean): Promise<"saved" | "exists">;
  startEngine(): Promise<unknown>;
  /** Where a reader learns more. */
  documentation?: string;
}

export interface BackendChooser {
  /** Id of the one that answers; its tasks say so too, but it may have none. */
  readonly current?: string | null;
  list(): Promise<readonly BackendName[]>;
  /** From now on the connection answers for this one; the list forgets what it showed. */
  choose(id: string): void;
}
