import { batch, computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { asServiceError, type Connection, isAbort } from "../connection";
import { remember } from "../memory";
import type { ServiceError, TaskSummary } from "../protocol";
import { TaskActs } from "./acts";
import type { TaskFilters } from "./host";
import {
  firstOrder,
  type Grouping,
  noteKeys,
  type Order,
  type Section,
  type SortKey,
  sections,
  sorted,
  startOfDay,
} from "./lines";
import {
  type Chip,
  isIn,
  type ListedTask,
  matches,
  mergeNewest,
  passes,
  unpackTasks,
  wordsOf,
} from "./tasks";

/** The newest are followed; the rest comes when the user searches, sorts or groups. */
const LAST_N = 100;
/** More are loaded as all, packed. */
const MOST_LISTED = 500;

/** Events report known tasks at once; this finds new ones too, also where no events are sent. */
const REFRESH_MS = 15_000;
/** Longest pause while the service does not answer. */
const LONGEST_REFRESH_MS = 120_000;
/** Older tasks that still run are asked for this often: events cover the newest only. */
const OLDER_REFRESH_MS = 60_000;

const NO_FILTERS: TaskFilters = { status: null, project: null };

/** What the list begins with; see `TaskListHost`. */
export interface ListBeginning {
  lastN?: number | null;
  filters?: TaskFilters;
  selected?: readonly string[];
  memory?: string;
}

/** What a reload of the page leaves as it was. */
interface Choices {
  query: string;
  chip: Chip;
  filters: TaskFilters;
  grouping: Grouping;
  order: Order;
  opened: string | null;
}

const NEWEST: Order = { key: "created", descending: true };

/** State of the list of tasks. */
export class TaskListStore {
  /** Newest first; `null` until the first answer. */
  readonly tasks = signal<ListedTask[] | null>(null);
  readonly total = signal(0);
  readonly error = signal<ServiceError | null>(null);
  readonly loading = signal(false);
  readonly loadingAll = signal(false);
  readonly allError = signal<ServiceError | null>(null);
  readonly query = signal("");
  readonly chip = signal<Chip>("all");
  readonly filters = signal<TaskFilters>(NO_FILTERS);
  readonly grouping = signal<Grouping>("day");
  readonly order = signal<Order>(NEWEST);
  /** Wide views have longer titles of days. */
  readonly wide = signal(false);
  /** Task last opened from here. */
  readonly opened = signal<string | null>(null);
  /** Task under the keyboard. */
  readonly current = signal<string | null>(null);
  readonly now = signal(Date.now());
  /** When the service reported what is shown, in ms; 0: never. */
  readonly asOf = signal(0);
  /** The form for a key is open, though there are tasks. */
  readonly askingKey = signal(false);
  /** When the next look comes, by our clock in ms. */
  readonly refreshAt = signal(0);
  /** Announced once to screen readers. */
  readonly announcement = signal("");
  readonly found: ReadonlySignal<ListedTask[]>;
  readonly sections: ReadonlySignal<Section[]>;
  /** Ids in the order of the sections. */
  readonly ids: ReadonlySignal<string[]>;
  /** All tasks that the service lists are here. */
  readonly complete: ReadonlySignal<boolean>;
  /** What is shown may have moved on. */
  readonly old: ReadonlySignal<boolean>;
  /** Not every task that is here is meant to be seen. */
  readonly searching: ReadonlySignal<boolean>;
  readonly acts: TaskActs;
  readonly connected: ReadonlySignal<boolean>;
  readonly #connection: Connection;
  /** Ends with what is shown: answers that come later are of another backend or key. */
  #abort = new AbortController();
  /** Tasks that the service has and does not list. */
  readonly #unlisted = signal(0);
  readonly #stopWatching: () => void;
  readonly #forget: () => void;
  #unsubscribe: () => void = () => {};
  #timer: ReturnType<typeof setInterval> | undefined;
  #clockOffset = 0;
  #pause = REFRESH_MS;
  #visible = false;
  #wantsAll = false;
  #allAt = 0;
  readonly #lastN: number;
  readonly #beginsWithAll: boolean;

  constructor(connection: Connection, { lastN = LAST_N, filters, selected, memory }: ListBeginning = {}) {
    this.#connection = connection;
    this.#lastN = Math.min(lastN ?? LAST_N, MOST_LISTED);
    this.filters.value = filters ?? NO_FILTERS;
    this.searching = computed(() => {
      const { status, project } = this.filters.value;
      return this.query.value.trim() !== "" || status !== null || project !== null;
    });
    this.#beginsWithAll = lastN === null || lastN > MOST_LISTED;
    this.connected = connection.connected;
    this.acts = new TaskActs(connection, this.tasks, (text) => {
      this.announcement.value = text;
      void this.refresh();
    });
    const today = computed(() => startOfDay(this.now.value));
    this.found = computed(() => {
      const words = wordsOf(this.query.value);
      const chip = this.chip.value;
      const filters = this.filters.value;
      const tasks = (this.tasks.value ?? []).filter(
        (task) => isIn(task, chip) && passes(task, filters) && matches(task, words),
      );
      return sorted(tasks, this.order.value, this.now.peek());
    });
    this.sections = computed(() => {
      // Only the newest come in days.
      const byDay = this.grouping.value === "day" && this.order.value.key !== "created";
      const grouping = byDay ? "none" : this.grouping.value;
      const time = Math.max(today.value, this.now.peek());
      return sections(this.found.value, grouping, time, this.wide.value);
    });
    this.ids = computed(() => this.sections.value.flatMap(({ tasks }) => tasks.map((task) => task.task_id)));
    this.complete = computed(
      () => (this.tasks.value?.length ?? 0) + this.#unlisted.value >= this.total.value,
    );
    this.old = computed(
      () =>
        !this.connected.value ||
        this.error.value !== null ||
        (this.tasks.value ?? []).some((task) => task.stale !== null),
    );
    if (selected !== undefined) this.acts.select(selected, true);
    this.#stopWatching = effect(() => this.#countFound());
    const choose = (saved: Partial<Choices>) => this.#choose(saved);
    this.#forget = remember(memory, () => this.#choices(), choose);
    this.#wantsAll = this.#needsAll();
  }

  dispose(): void {
    this.#abort.abort();
    this.#stopWatching();
    this.#forget();
    this.acts.dispose();
    this.setVisible(false);
  }

  /** Forgets every task, and asks anew: another backend or key answers now. */
  reset(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    batch(() => {
      this.loading.value = false;
      this.loadingAll.value = false;
      this.tasks.value = null;
      this.total.value = 0;
      this.error.value = null;
      this.allError.value = null;
      this.#unlisted.value = 0;
      this.current.value = null;
      this.askingKey.value = false;
      this.asOf.value = 0;
      this.acts.reset();
    });
    this.#allAt = 0;
    this.#wantsAll = this.#needsAll();
    this.#unsubscribe();
    if (this.#visible) this.#subscribe();
    void this.refresh();
  }

  /** A hidden list sends no calls and gets no events; shown again, it asks at once if it is old. */
  setVisible(visible: boolean): void {
    if (visible === this.#visible) return;
    this.#visible = visible;
    clearInterval(this.#timer);
    this.#unsubscribe();
    this.#unsubscribe = () => {};
    if (!visible) return;
    this.#subscribe();
    this.#timer = setInterval(this.#tick, 1000);
    this.#tick();
  }

  get peer(): "kernel" | "server" {
    return this.#connection.peer;
  }

  /** Of the tasks that are here. */
  count(chip: Chip): number {
    if (chip === "all") return this.total.value;
    return (this.tasks.value ?? []).filter((task) => isIn(task, chip)).length;
  }

  // ---- what is shown ----

  search(query: string): void {
    this.query.value = query;
    if (query.trim() !== "") this.wantAll();
  }

  filter(chip: Chip): void {
    this.chip.value = chip;
    if (chip !== "all") this.wantAll();
  }

  /** Takes a filter away that the list began with. */
  unfilter(name: keyof TaskFilters): void {
    this.filters.value = { ...this.filters.peek(), [name]: null };
  }

  /** Every task again. */
  showAll(): void {
    this.search("");
    this.filter("all");
    this.filters.value = NO_FILTERS;
  }

  group(grouping: Grouping): void {
    this.grouping.value = grouping;
    if (grouping === "day") this.order.value = NEWEST;
    else this.wantAll();
  }

  /** Sorts by a column; again, the other way. */
  sortBy(key: SortKey): void {
    const { key: before, descending } = this.order.peek();
    this.order.value = key === before ? { key, descending: !descending } : firstOrder(key);
    this.wantAll();
  }

  /** Keys of notes to group by, of all tasks that are known. */
  noteKeys(): string[] {
    return noteKeys(this.tasks.value ?? []);
  }

  #choices(): Choices {
    return {
      query: this.query.value,
      chip: this.chip.value,
      filters: this.filters.value,
      grouping: this.grouping.value,
      order: this.order.value,
      opened: this.opened.value,
    };
  }

  #choose(saved: Partial<Choices>): void {
    const { query, chip, filters, grouping, order, opened } = { ...this.#choices(), ...saved };
    batch(() => {
      this.query.value = query;
      this.chip.value = chip;
      this.filters.value = filters;
      this.grouping.value = grouping;
      this.order.value = order;
      this.opened.value = opened;
    });
  }

  /** Whether the newest alone would not show what is asked for. */
  #needsAll(): boolean {
    const { key, descending } = this.order.peek();
    const isNewest = key === NEWEST.key && descending && this.grouping.peek() === "day";
    return this.#beginsWithAll || this.searching.peek() || this.chip.peek() !== "all" || !isNewest;
  }

  askForKey(): void {
    this.askingKey.value = true;
  }

  // ---- asking ----

  /** From now on all tasks are loaded, not only the newest. */
  wantAll(): void {
    this.#wantsAll = true;
    const isHere = this.#allAt > 0 && this.complete.peek();
    if (!isHere && this.allError.peek() === null) void this.loadAll();
  }

  /** The newest come without their notes, by which one can search and group. */
  wantNotes(): void {
    if (this.#allAt === 0) void this.loadAll();
  }

  async loadAll(refresh = false): Promise<void> {
    if (this.loadingAll.peek()) return;
    this.#wantsAll = true;
    const { signal } = this.#abort;
    this.loadingAll.value = true;
    this.allError.value = null;
    this.#allAt = Date.now();
    try {
      const { result, buffers } = await this.#connection.call("tasks.all", { refresh }, { signal });
      if (buffers[0] === undefined) throw new Error("The list of tasks came without its data.");
      const all = await unpackTasks(result, buffers[0]);
      if (signal.aborted) return;
      // What was heard meanwhile is newer.
      const newer = (this.tasks.peek() ?? [])
        .filter((task) => task.as_of >= result.as_of)
        .slice(0, this.#lastN);
      batch(() => {
        this.tasks.value = newer.length === 0 ? all : mergeNewest(newer, all, result.total);
        this.total.value = result.total;
        this.#unlisted.value = result.total - result.count;
      });
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) this.allError.value = asServiceError(error);
    } finally {
      if (!signal.aborted) this.loadingAll.value = false;
    }
  }

  async refresh(byUser = false): Promise<void> {
    if (this.loading.peek()) return;
    const { signal } = this.#abort;
    this.loading.value = true;
    try {
      const { result } = await this.#connection.call("tasks.list", { last_n: this.#lastN }, { signal });
      if (signal.aborted) return;
      this.error.value = null;
      this.#accept(result.tasks, result.total);
      this.#pause = REFRESH_MS;
      if (byUser && this.#wantsAll) void this.loadAll(true);
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.error.value = asServiceError(error);
      this.#pause = Math.min(2 * this.#pause, LONGEST_REFRESH_MS);
    } finally {
      if (!signal.aborted) {
        this.loading.value = false;
        this.refreshAt.value = Date.now() + this.#pause;
      }
    }
  }

  #subscribe(): void {
    this.#unsubscribe = this.#connection.subscribe(
      "tasks",
      (event) => {
        if (event.kind === "tasks") this.#accept(event.tasks.slice(0, this.#lastN), event.total);
      },
      () => void this.refresh(),
    );
  }

  readonly #tick = (): void => {
    if (document.hidden) return;
    this.now.value = Date.now() + this.#clockOffset;
    if (Date.now() >= this.refreshAt.peek()) void this.refresh();
    const isDue = this.#wantsAll && Date.now() >= this.#allAt + OLDER_REFRESH_MS;
    const older = this.tasks.peek()?.slice(this.#lastN) ?? [];
    if (isDue && older.some((task) => !task.is_terminal)) void this.loadAll(true);
  };

  #accept(newest: TaskSummary[], total: number): void {
    batch(() => {
      const merged = mergeNewest(newest, this.tasks.peek() ?? [], total);
      this.tasks.value = merged;
      this.total.value = total;
      const said = Math.max(...newest.map((task) => Date.parse(task.server_now)));
      if (Number.isFinite(said)) this.#clockOffset = said - Date.now();
      this.now.value = Date.now() + this.#clockOffset;
      this.asOf.value = Math.max(this.asOf.peek(), ...newest.map((task) => Date.parse(task.as_of)));
      this.#forgetKilled(newest);
    });
    const isDue = Date.now() >= this.#allAt + REFRESH_MS;
    if (this.#wantsAll && isDue && !this.complete.peek()) void this.loadAll();
  }

  #forgetKilled(newest: readonly TaskSummary[]): void {
    const { killing } = this.acts;
    const ended = newest.filter((task) => task.is_terminal && killing.peek().has(task.task_id));
    if (ended.length === 0) return;
    const left = new Set(killing.peek());
    for (const task of ended) left.delete(task.task_id);
    killing.value = left;
  }

  /** One message for what a search or a chip has changed. */
  #countFound(): void {
    const isNarrowed = this.searching.value || this.chip.value !== "all";
    if (!isNarrowed || this.tasks.value === null || this.loadingAll.value) return;
    const count = this.found.value.length;
    this.announcement.value = `${count} of ${this.total.value} tasks found`;
  }
}
