import type { TaskListHost } from "../list/host";
import type { TaskListStore } from "../list/store";
import { codeFor } from "../list/tasks";
import { Layout } from "../list/virtual";

/** Shows two ticked tasks beside each other; other numbers of them have no such view. */
export function compareTicked({ acts }: TaskListStore, host: TaskListHost): void {
  const ticked = [...acts.selected.peek()];
  if (ticked.length === 2) host.onCompare?.(ticked);
}

/** What keys and clicks on rows do. */
export class Hand {
  layout: Layout = new Layout([], 1, 0);
  scroller: { current: HTMLElement | null } = { current: null };
  /** Height of what stands still at the top. */
  top = 0;
  /** Where an extended selection began. */
  #anchor: string | null = null;

  constructor(
    readonly store: TaskListStore,
    readonly host: TaskListHost,
  ) {}

  readonly onFocus = (): void => {
    const { current, ids } = this.store;
    if (current.peek() === null || !ids.peek().includes(current.peek() ?? "")) {
      current.value = ids.peek()[this.layout.indexAt(this.scroller.current?.scrollTop ?? 0)] ?? null;
    }
  };

  readonly onClick = (event: MouseEvent): void => {
    const target = event.target as Element;
    const id = target.closest<HTMLElement>("[data-id]")?.dataset.id;
    if (id === undefined) return;
    const act = target.closest<HTMLElement>("[data-act]")?.dataset.act;
    this.store.current.value = id;
    if (act === "insert") this.host.onInsert?.(id);
    else if (event.shiftKey) this.#extend(id);
    else if (act === "select" || event.ctrlKey || event.metaKey) this.#toggle(id);
    else this.#open(id);
  };

  readonly onDrag = (event: DragEvent): void => {
    const id = (event.target as Element).closest<HTMLElement>("[data-id]")?.dataset.id;
    if (id === undefined || event.dataTransfer === null) return;
    const ticked = this.store.acts.selected.peek();
    const ids = ticked.has(id) ? this.store.ids.peek().filter((one) => ticked.has(one)) : [id];
    event.dataTransfer.setData("text/plain", codeFor(ids));
    event.dataTransfer.effectAllowed = "copy";
  };

  readonly onKey = (event: KeyboardEvent): void => {
    const { current, ids, acts } = this.store;
    if (event.target !== this.scroller.current) return;
    this.scroller.current?.classList.add("keys");
    const id = current.peek();
    if ((event.ctrlKey || event.metaKey) && event.key === "a") {
      acts.select(ids.peek(), true);
    } else if (event.ctrlKey || event.metaKey || event.altKey || id === null) {
      return;
    } else if (event.key === "Enter") {
      this.#open(id);
    } else if (event.key === " ") {
      this.#toggle(id);
    } else if (event.key === "Escape" && acts.selected.peek().size > 0) {
      acts.clear();
    } else if (event.key === "i" && this.host.onInsert !== undefined) {
      this.host.onInsert(id);
    } else if (!this.#move(event)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  #move(event: KeyboardEvent): boolean {
    const ids = this.store.ids.peek();
    const place = ids.indexOf(this.store.current.peek() ?? "");
    const page = Math.max(
      1,
      Math.floor((this.scroller.current?.clientHeight ?? 0) / this.layout.rowHeight) - 2,
    );
    const steps: Record<string, number> = {
      ArrowDown: place + 1,
      ArrowUp: place - 1,
      PageDown: place + page,
      PageUp: place - page,
      Home: 0,
      End: ids.length - 1,
    };
    const wanted = steps[event.key];
    if (wanted === undefined) return false;
    const next = Math.min(Math.max(wanted, 0), ids.length - 1);
    const id = ids[next];
    if (id === undefined) return true;
    if (event.shiftKey) {
      this.#anchor ??= ids[place] ?? id;
      this.#extend(id);
    } else {
      this.#anchor = null;
    }
    this.store.current.value = id;
    this.#reveal(next);
    return true;
  }

  #reveal(place: number): void {
    const element = this.scroller.current;
    if (element === null) return;
    const { headHeight, rowHeight } = this.layout;
    const top = this.layout.topOf(place);
    // The head of its section stands still above it.
    if (top - headHeight < element.scrollTop) element.scrollTop = place === 0 ? 0 : top - headHeight;
    const room = element.clientHeight - this.top;
    if (top + rowHeight > element.scrollTop + room) element.scrollTop = top + rowHeight - room;
  }

  #open(id: string): void {
    this.store.opened.value = id;
    this.host.onOpen(id);
  }

  #toggle(id: string): void {
    const { acts } = this.store;
    acts.select([id], !acts.selected.peek().has(id));
    this.#anchor = id;
  }

  #extend(id: string): void {
    const ids = this.store.ids.peek();
    const from = ids.indexOf(this.#anchor ?? id);
    const to = ids.indexOf(id);
    this.#anchor ??= id;
    this.store.acts.select(ids.slice(Math.min(from, to), Math.max(from, to) + 1), true);
  }
}
