// biome-ignore-all lint/a11y/useSemanticElements: an ARIA grid, as a table cannot leave out the rows that are out of sight.
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus and names the active row.
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatCount, shortId } from "../format";
import type { TaskListHost } from "../list/host";
import type { SortKey } from "../list/lines";
import type { TaskListStore } from "../list/store";
import type { ListedTask } from "../list/tasks";
import { Layout } from "../list/virtual";
import { isOld, statusWord } from "../status";
import { StatusIcon } from "./badge";
import { Icon } from "./icon";
import { NarrowCells, WideCells } from "./task-list-cells";
import { Hand } from "./task-list-hand";
import type { TaskListProps } from "./task-list-states";

/** `narrow`: as at the side. `folded`: two lines. `wide`: a line with columns. */
export type Form = "narrow" | "folded" | "wide";

/** Heights in px. Fixed ones, so that ten thousand rows are placed without being measured. */
const SIZES: Record<Form, { row: number; head: number; top: number }> = {
  narrow: { row: 51, head: 24, top: 0 },
  folded: { row: 50, head: 28, top: 0 },
  wide: { row: 32, head: 28, top: 28 },
};
/** Kept ready above and below what is seen, so that a quick scroll shows no gap. */
const OVERSCAN = 300;
/** A new window each few rows is enough. */
const STEP = 100;

interface Props extends TaskListProps {
  form: Form;
}

/** The grid of tasks: a window over sections of rows. One stop for Tab; keys move inside. */
export function TaskRows({ store, host, form }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const [{ from, to }, setRange] = useState({ from: 0, to: 1000 });
  const sections = store.sections.value;
  const size = SIZES[form];
  const heads = sections.length > 1 || sections[0]?.key !== "";
  const layout = useMemo(
    () => new Layout(sections, size.row, heads ? size.head : 0),
    [sections, size, heads],
  );
  const hand = useMemo(() => new Hand(store, host), [store, host]);
  hand.layout = layout;
  hand.scroller = scroller;
  hand.top = size.top;
  useStillRows(store, scroller, layout);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const look = () => {
      const { scrollTop, clientHeight } = element;
      const first = Math.floor((scrollTop - OVERSCAN) / STEP) * STEP;
      const last = first + clientHeight + 2 * OVERSCAN + STEP;
      setRange((old) => (old.from === first && old.to === last ? old : { from: first, to: last }));
    };
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);

  // Elements of what leaves serve what comes: a jump makes few new ones.
  const parts = layout.window(from, to);
  const slots = Math.ceil((to - from) / size.row) + 1;
  const picking = store.acts.selected.value.size > 0;
  const current = store.current.value;
  const place = current === null ? -1 : store.ids.value.indexOf(current);
  return (
    <div
      ref={scroller}
      class={`iw-plist ${picking ? "picking" : ""}`}
      style={{ "--row": `${size.row}px`, "--day": `${size.head}px`, "--top": `${size.top}px` }}
      role="grid"
      tabIndex={0}
      aria-label="Tasks"
      aria-multiselectable="true"
      aria-rowcount={layout.count}
      aria-activedescendant={place < 0 ? undefined : rowId(current ?? "")}
      onKeyDown={hand.onKey}
      onClick={hand.onClick}
      onFocus={hand.onFocus}
      onPointerDown={() => scroller.current?.classList.remove("keys")}
      onDragStart={hand.onDrag}
    >
      {form === "wide" && layout.count > 0 && <ColumnHeads store={store} host={host} />}
      {layout.count === 0 ? (
        <NoneFound store={store} />
      ) : (
        <div class="iw-space" style={{ height: `${layout.height}px` }} role="presentation">
          {parts.map(([index, first, end]) => {
            const section = sections[index];
            if (section === undefined) return null;
            const { title, summary, tasks } = section;
            const height = layout.headHeight + tasks.length * size.row;
            return (
              <div
                key={index % parts.length}
                class="iw-sec"
                role="rowgroup"
                aria-label={title}
                style={{ top: `${layout.tops[index]}px`, height: `${height}px` }}
              >
                {heads && (
                  <div class="iw-day" role="row">
                    <span role="rowheader" class="iw-cut">
                      <b>{title}</b> <span class="sum">{summary}</span>
                    </span>
                  </div>
                )}
                {tasks.slice(first, end).map((task, i) => (
                  <TaskRow
                    key={(first + i) % slots}
                    task={task}
                    store={store}
                    host={host}
                    form={form}
                    top={layout.headHeight + (first + i) * size.row}
                    place={(layout.starts[index] ?? 0) + first + i}
                  />
                ))}
              </div>
            );
          })}
        </div>
      )}
      {layout.count > 0 && <End store={store} />}
    </div>
  );
}

/**
 * New tasks come in above: rows that the user looks at or points to stay where they are. What the user
 * changes (search, order) begins at the top.
 */
function useStillRows(store: TaskListStore, scroller: { current: HTMLElement | null }, layout: Layout): void {
  const before = useRef<{ asked: string; layout: Layout; ids: string[] } | null>(null);
  const { key, descending } = store.order.value;
  const asked = [store.query.value, store.chip.value, store.grouping.value, key, descending].join("\n");
  const ids = store.ids.value;
  useLayoutEffect(() => {
    const element = scroller.current;
    const last = before.current;
    before.current = { asked, layout, ids };
    if (element === null || last === null || last.layout === layout) return;
    if (last.asked !== asked) {
      element.scrollTop = 0;
      return;
    }
    const { scrollTop } = element;
    if (scrollTop === 0 && !element.matches(":hover")) return;
    const index = last.layout.indexAt(scrollTop);
    const next = ids.indexOf(last.ids[index] ?? "");
    if (next >= 0) element.scrollTop = layout.topOf(next) + scrollTop - last.layout.topOf(index);
  }, [scroller, layout, asked, ids]);
}

function rowId(taskId: string): string {
  return `iw-task-${taskId}`;
}

// ---- a row ----

interface RowProps extends Props {
  task: ListedTask;
  top: number;
  place: number;
}

function TaskRow({ task, store, host, form, top, place }: RowProps) {
  const { acts } = store;
  const selected = acts.selected.value.has(task.task_id);
  const old = isOld(task, store.connected.value && store.error.value === null);
  const picking = acts.selected.value.size > 0;
  const look = { task, store, old, picking, killing: acts.killing.value.has(task.task_id) };
  const classes = [
    form === "narrow" ? "iw-pl" : "iw-tr",
    selected ? "sel" : "",
    store.opened.value === task.task_id ? "open" : "",
    store.current.value === task.task_id ? "cur" : "",
  ];
  const name = task.simulator ?? shortId(task.task_id);
  return (
    <div
      id={rowId(task.task_id)}
      class={classes.filter(Boolean).join(" ")}
      style={{ top: `${top}px` }}
      role="row"
      data-id={task.task_id}
      aria-rowindex={place + 1}
      aria-selected={selected}
      draggable
      title={titleOf(task)}
    >
      <span class="bx" role="gridcell" data-act="select">
        <span class="iw-ck" role="checkbox" aria-checked={selected} aria-label={`Select ${name}`} />
        {form === "narrow" && <StatusIcon task={task} old={old} />}
      </span>
      {form === "narrow" ? <NarrowCells {...look} /> : <WideCells {...look} />}
      <Actions host={host} name={name} form={form} />
    </div>
  );
}

function titleOf(task: ListedTask): string {
  const facts = [statusWord(task), task.simulator, task.task_id, task.project, task.machine_type];
  return facts.filter(Boolean).join(" · ");
}

function Actions({ host, name, form }: { host: TaskListHost; name: string; form: Form }) {
  if (form !== "narrow" && host.onInsert === undefined) return null;
  return (
    <span class="d" role="gridcell">
      {host.onInsert !== undefined && (
        <button
          type="button"
          class="iw-b icon ghost s"
          tabIndex={-1}
          data-act="insert"
          aria-label={`Insert code for ${name}`}
          title="Insert code (I)"
        >
          <Icon name="code" />
        </button>
      )}
      {form === "narrow" && (
        <button
          type="button"
          class="iw-b icon ghost s"
          tabIndex={-1}
          data-act="open"
          aria-label={`Open ${name}`}
          title="Open (Enter)"
        >
          <Icon name="open" />
        </button>
      )}
    </span>
  );
}

// ---- above and below ----

const COLUMNS: readonly [key: SortKey, label: string, className: string][] = [
  ["status", "Status", ""],
  ["task", "Task", ""],
  ["project", "Project", "proj"],
  ["machine", "Machine", "mach"],
  ["runtime", "Runtime", "num"],
  ["cost", "US$", "num"],
  ["created", "Created", "num"],
];

function ColumnHeads({ store, host }: TaskListProps) {
  const { key: sorted, descending } = store.order.value;
  const { acts, ids } = store;
  const ticked = ids.value.filter((id) => acts.selected.value.has(id)).length;
  const all = ticked > 0 && ticked === ids.value.length;
  const toggle = () => acts.select(ids.peek(), !all);
  return (
    <div role="rowgroup" class="iw-heads">
      <div class="iw-tr head" role="row">
        <span role="columnheader" class="bx" aria-label="Selected" onClick={toggle} onKeyDown={() => {}}>
          <span
            class="iw-ck"
            role="checkbox"
            tabIndex={-1}
            aria-checked={all ? "true" : ticked > 0 ? "mixed" : "false"}
            aria-label={`Select all ${formatCount(ids.value.length)} found`}
          />
        </span>
        {COLUMNS.map(([key, label, className]) => (
          <span
            key={key}
            class={className}
            role="columnheader"
            aria-sort={sorted === key ? (descending ? "descending" : "ascending") : "none"}
          >
            <button
              type="button"
              tabIndex={-1}
              class={sorted === key ? "iw-sort on" : "iw-sort"}
              onClick={() => store.sortBy(key)}
            >
              {label}
              <Icon name={sorted === key && !descending ? "up" : "down"} className="s" />
            </button>
          </span>
        ))}
        {host.onInsert !== undefined && <span role="columnheader" aria-label="Actions" class="d" />}
      </div>
    </div>
  );
}

function NoneFound({ store }: { store: TaskListStore }) {
  const query = store.query.value.trim();
  return (
    <div role="row">
      <div class="iw-empty" role="gridcell">
        <Icon name="search" />
        <b>{query === "" ? "No such task" : `No task matches “${query}”`}</b>
        {store.loadingAll.value ? (
          <span>Loading all {formatCount(store.total.value)}…</span>
        ) : (
          <button type="button" class="iw-link" onClick={() => store.showAll()}>
            Show all tasks
          </button>
        )}
      </div>
    </div>
  );
}

/** Where the rows end, though there are more tasks. */
function End({ store }: { store: TaskListStore }) {
  const { length } = store.tasks.value ?? [];
  const total = store.total.value;
  if (length >= total) return null;
  return (
    <div role="row">
      <div class="iw-end" role="gridcell">
        The newest {formatCount(length)} of {formatCount(total)} tasks{" "}
        {store.loadingAll.value ? (
          <span>· loading all…</span>
        ) : (
          !store.complete.value && (
            <button type="button" class="iw-link" onClick={() => void store.loadAll()}>
              Load all
            </button>
          )
        )}
      </div>
    </div>
  );
}
