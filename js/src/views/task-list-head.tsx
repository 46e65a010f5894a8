import type { RefObject } from "preact";
import { formatCount } from "../format";
import type { Grouping, SortKey } from "../list/lines";
import type { TaskListStore } from "../list/store";
import type { Chip } from "../list/tasks";
import { Icon } from "./icon";
import { MenuButton, type MenuGroup } from "./pop-menu";
import { AsOf, type TaskListProps } from "./task-list-states";

interface HeadProps extends TaskListProps {
  showKeys(): void;
}

/** Title and tools of the side panel. */
export function PanelHead({ store, host, showKeys }: HeadProps) {
  const isListed = store.tasks.value !== null;
  return (
    <div class="iw-ptop">
      <h3>Tasks</h3>
      {isListed && (
        <>
          <MenuButton
            icon="filter"
            label="Sort and group"
            marked={isArranged(store)}
            groups={() => arrangements(store)}
            onOpen={() => store.wantNotes()}
          />
          <RefreshButton store={store} />
        </>
      )}
      <MenuButton icon="more" label="More actions" groups={() => actions({ store, host, showKeys })} />
    </div>
  );
}

interface FilterProps {
  store: TaskListStore;
  search: RefObject<HTMLInputElement | null>;
}

/** Search and chips, one below the other. */
export function PanelFilters({ store, search }: FilterProps) {
  const searches = store.query.value.trim() !== "";
  // Counts of old rows would look as if they were current.
  const counts = (!searches && !store.old.value) || store.chip.value !== "all";
  return (
    <div class="iw-psec">
      <Search store={store} field={search} placeholder="Id, simulator, machine" />
      {searches && <Found store={store} />}
      {counts && <Chips store={store} chips={PANEL_CHIPS} />}
    </div>
  );
}

/** Title line of the table. */
export function TableHead({ store, host, showKeys }: HeadProps) {
  const { length } = store.tasks.value ?? [];
  return (
    <div class="iw-h1">
      <h3>Tasks</h3>
      <span class="iw-m iw-cut">
        {length > 0 && (store.searching.value ? <Found store={store} /> : <Loaded store={store} />)}
      </span>
      <span class="iw-sp" />
      <span class="iw-side">
        <AsOf store={store} />
        <MenuButton
          icon="more"
          label="More actions"
          groups={() => [...actions({ store, host, showKeys }), ...arrangements(store)]}
          onOpen={() => store.wantNotes()}
        />
      </span>
    </div>
  );
}

/** Search and chips in a line, as far as there is room. */
export function TableFilters({ store, search }: FilterProps) {
  return (
    <div class="iw-filters">
      <Search store={store} field={search} placeholder={`Search all ${formatCount(store.total.value)}`} />
      <Begun store={store} />
      <span class="iw-sp" />
      <Chips store={store} chips={TABLE_CHIPS} />
    </div>
  );
}

/** Filters that the table began with; a click takes one away. */
function Begun({ store }: { store: TaskListStore }) {
  const { status, project } = store.filters.value;
  const set = [
    ["status", status],
    ["project", project],
  ] as const;
  return (
    <>
      {set.map(
        ([name, value]) =>
          value !== null && (
            <button
              key={name}
              type="button"
              class="iw-chip iw-begun"
              aria-pressed="true"
              aria-label={`Only ${name} ${value}`}
              title={`Only ${name} ${value}: click for all`}
              onClick={() => store.unfilter(name)}
            >
              <span class="iw-cut">
                <span class="iw-m">{name}</span> {value}
              </span>
              <Icon name="close" className="s" />
            </button>
          ),
      )}
    </>
  );
}

function RefreshButton({ store }: { store: TaskListStore }) {
  return (
    <button
      type="button"
      class="iw-b icon ghost"
      aria-label="Refresh"
      title="Refresh (R)"
      onClick={() => void store.refresh(true)}
    >
      <Icon name="refresh" />
    </button>
  );
}

// ---- search ----

interface SearchProps {
  store: TaskListStore;
  field: RefObject<HTMLInputElement | null>;
  placeholder: string;
}

function Search({ store, field, placeholder }: SearchProps) {
  const toList = () =>
    field.current?.closest(".iw-tasks")?.querySelector<HTMLElement>("[role=grid]")?.focus();
  return (
    <label class="iw-search">
      <Icon name="search" className="s" />
      <input
        ref={field}
        type="text"
        inputMode="search"
        placeholder={placeholder}
        aria-label="Search all tasks by id, simulator, machine, project, status or note"
        value={store.query.value}
        spellcheck={false}
        onInput={(event) => store.search(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape" && store.query.peek() !== "") store.search("");
          else if (["Escape", "Enter", "ArrowDown"].includes(event.key)) toList();
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      {store.query.value === "" ? (
        <span class="iw-kbd">/</span>
      ) : (
        <button
          type="button"
          class="iw-b icon ghost xs"
          aria-label="Clear search"
          onClick={() => store.search("")}
        >
          <Icon name="close" className="s" />
        </button>
      )}
    </label>
  );
}

/** `50 of 214 loaded`: what the chips count and the sections show. */
function Loaded({ store }: { store: TaskListStore }) {
  const { length } = store.tasks.value ?? [];
  const total = formatCount(store.total.value);
  if (store.loadingAll.value) return <>loading all {total}…</>;
  if (store.allError.value !== null) return <NotAll store={store} />;
  if (length >= store.total.value) return <>{total}</>;
  return (
    <>
      {store.complete.value ? "newest " : ""}
      {formatCount(length)} of {total}
      {!store.complete.value && <span class="opt"> loaded</span>}
    </>
  );
}

/** How many were found, and among how many: never a number that pretends to be of all. */
function Found({ store }: { store: TaskListStore }) {
  const { length } = store.tasks.value ?? [];
  const count = `${formatCount(store.found.value.length)} found`;
  const total = formatCount(store.total.value);
  if (store.allError.value !== null) return <NotAll store={store} />;
  return (
    <span class="iw-m iw-cut">
      {count}
      <span class="opt">
        {length >= store.total.value
          ? ` in all ${total}`
          : store.complete.value
            ? ` in the newest ${formatCount(length)} of ${total}`
            : ` in ${formatCount(length)}; loading all ${total}…`}
      </span>
    </span>
  );
}

function NotAll({ store }: { store: TaskListStore }) {
  const { length } = store.tasks.value ?? [];
  return (
    <span class="iw-old">
      Only the newest {formatCount(length)} are here: {store.allError.value?.message}{" "}
      <button type="button" class="iw-link" onClick={() => void store.loadAll()}>
        Try again
      </button>
    </span>
  );
}

// ---- chips ----

const PANEL_CHIPS: readonly [Chip, string][] = [
  ["all", "All"],
  ["open", "Running"],
  ["failed", "Failed"],
  ["done", "Done"],
];
const TABLE_CHIPS: readonly [Chip, string][] = [
  ["all", "All"],
  ["running", "Running"],
  ["waiting", "Waiting"],
  ["failed", "Failed"],
  ["done", "Done"],
];

function Chips({ store, chips }: { store: TaskListStore; chips: readonly [Chip, string][] }) {
  const { length } = store.tasks.value ?? [];
  const partly = `Counted in the newest ${formatCount(length)} of ${formatCount(store.total.value)}`;
  return (
    <fieldset class="iw-chips" aria-label="Filter by state">
      {chips.map(([chip, label]) => (
        <button
          type="button"
          key={chip}
          class="iw-chip"
          aria-pressed={store.chip.value === chip}
          title={chip === "all" || length >= store.total.value ? undefined : partly}
          onClick={() => store.filter(chip)}
        >
          {label} <b>{formatCount(store.count(chip))}</b>
        </button>
      ))}
    </fieldset>
  );
}

// ---- menus ----

const SORTS: readonly [SortKey, string][] = [
  ["created", "Newest"],
  ["runtime", "Longest"],
  ["cost", "Cost"],
  ["status", "Status"],
];

function isArranged(store: TaskListStore): boolean {
  return store.grouping.value !== "day" || store.order.value.key !== "created";
}

function arrangements(store: TaskListStore): MenuGroup[] {
  const { key } = store.order.peek();
  const now = store.grouping.peek();
  const groupings: [Grouping, string][] = [
    ["day", "Day"],
    ["project", "Project"],
    ...store.noteKeys().map((note): [Grouping, string] => [`note:${note}`, note]),
    ["none", "Nothing"],
  ];
  return [
    {
      label: "Sort by",
      items: SORTS.map(([sort, label]) => ({
        label,
        checked: key === sort,
        act: () => {
          if (store.order.peek().key !== sort) store.sortBy(sort);
        },
      })),
    },
    {
      label: "Group by",
      items: groupings.map(([grouping, label]) => ({
        label,
        checked: now === grouping,
        act: () => store.group(grouping),
      })),
    },
  ];
}

function actions({ store, host, showKeys }: HeadProps): MenuGroup[] {
  const { account } = host;
  const documentation = account?.documentation;
  const groups: MenuGroup[] = [
    {
      items: [
        { label: "Refresh", icon: "refresh", keys: "R", act: () => void store.refresh(true) },
        { label: "Keys", icon: "keys", keys: "?", act: showKeys },
      ],
    },
  ];
  if (account === undefined) return groups;
  groups.push({
    items: [
      ...(host.readonly === true
        ? []
        : [{ label: "Set API key…", icon: "key" as const, act: () => store.askForKey() }]),
      ...(documentation === undefined
        ? []
        : [{ label: "Documentation", icon: "open" as const, act: () => void window.open(documentation) }]),
    ],
  });
  return groups;
}
