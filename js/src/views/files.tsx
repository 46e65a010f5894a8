import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { FileModel, Form } from "../files/file-model";
import { COLUMNS, descendsFirst, FileTable } from "../files/file-table";
import { formatCount, formatSize } from "../format";
import type { IconName } from "../icons";
import type { MonitorStore } from "../monitor/store";
import { partsState } from "../parts/part-loader";
import type { ServiceError, TaskSummary } from "../protocol";
import { Banner, ErrorText } from "./banner";
import { Download } from "./download";
import { usualTime } from "./facts";
import { Icon } from "./icon";
import { useKeys } from "./keys";
import { MenuButton } from "./pop-menu";
import { WithParts } from "./with-parts";

/** The tab of the output files. */
export function Files({ store }: { store: MonitorStore }) {
  const search = useRef<HTMLInputElement>(null);
  useKeys(store, {
    "/": () => search.current?.focus(),
    d: () => {
      if (store.files.selected > 0) void store.files.startDownload("selection");
    },
    D: () => void store.files.startDownload("all"),
    t: () => store.files.setForm("tree"),
    l: () => store.files.setForm("list"),
  });
  return (
    <>
      <FilesBody store={store} search={search} />
      <Download store={store} />
    </>
  );
}

interface FilesProps {
  store: MonitorStore;
  search: RefObject<HTMLInputElement | null>;
}

function FilesBody({ store, search }: FilesProps) {
  const files = store.files.state.value;
  const task = store.task.value;
  switch (files.kind) {
    case "ready":
      return files.model.count === 0 ? (
        <NoFiles />
      ) : (
        <FileList store={store} model={files.model} search={search} />
      );
    case "loading":
      return (
        <Skeleton>
          {files.waiting && <p class="iw-waiting">Waiting for the {store.peer}: it is busy.</p>}
        </Skeleton>
      );
    case "failed": {
      if (files.error.type === NOT_READY)
        return <NoFiles detail={task?.is_terminal === true ? undefined : files.error.message} />;
      const again = (
        <button type="button" class="iw-b" onClick={() => void store.files.load()}>
          <Icon name="refresh" className="s" />
          Try again
        </button>
      );
      return (
        <Banner tone="err" icon="fail" role="alert" actions={files.error.retryable ? again : undefined}>
          <ErrorText error={files.error} />
        </Banner>
      );
    }
    case "none":
      if (store.loadError.value !== null) return <NotLoaded store={store} />;
      if (task === null) return <Skeleton />;
      if (task.is_terminal) return <NoFiles />;
      return task.computation_started_at === null ? (
        <NotYet store={store} task={task} />
      ) : (
        <WithParts peer={store.peer} meanwhile={<NotYet store={store} task={task} />}>
          {({ LiveFiles }) => (
            <LiveFiles
              store={store}
              otherwise={(error) => <NotYet store={store} task={task} error={error} />}
            />
          )}
        </WithParts>
      );
  }
}

function Empty({ icon, title, children }: { icon: IconName; title: string; children: ComponentChildren }) {
  return (
    <div class="iw-empty">
      <Icon name={icon} />
      <b>{title}</b>
      {children}
    </div>
  );
}

interface NotYetProps {
  store: MonitorStore;
  task: TaskSummary;
  /** Why it is not known what there is by now. */
  error?: ServiceError | null;
}

function NotYet({ store, task, error = null }: NotYetProps) {
  const usual = usualTime(task, store.details.details.value);
  return (
    <Empty icon="folder" title="No output files yet">
      <span>
        They appear here once the task has ended.
        {task.status !== "pending-kill" &&
          ` You can close this page: ${task.simulator ?? "the task"} goes on without it.`}
      </span>
      {usual !== null && <span class="iw-usual">{usual}</span>}
      {error !== null && (
        <span class="iw-usual">
          The files so far cannot be listed. {error.message} {error.hint}
        </span>
      )}
    </Empty>
  );
}

/** The service's word for "ended, but there is no archive": not a fault of the view. */
const NOT_READY = "OutputsNotReadyError";

function NoFiles({
  detail = "It ended without storing any, or they have been deleted.",
}: {
  detail?: string | undefined;
}) {
  return (
    <Empty icon="folder" title="This task has no output files">
      <span>{detail}</span>
    </Empty>
  );
}

function NotLoaded({ store }: { store: MonitorStore }) {
  const error = store.loadError.value;
  if (error === null) return null;
  return (
    <Empty icon="warn" title={error.message}>
      {error.hint !== "" && <span>{error.hint}</span>}
      <button type="button" class="iw-b" onClick={() => void store.refresh(true)}>
        <Icon name="refresh" className="s" />
        Try again
      </button>
    </Empty>
  );
}

const SKELETON_WIDTHS = ["38%", "52%", "30%", "46%", "34%"];

function Skeleton({ children }: { children?: ComponentChildren }) {
  return (
    <div class="iw-loading" aria-busy="true">
      <div class="iw-tools">
        <span class="iw-search" />
      </div>
      <div class="iw-fr head" />
      {SKELETON_WIDTHS.map((width) => (
        <div class="iw-fr" key={width}>
          <span />
          <span class="iw-sk" style={{ "--w": width }} />
          <span class="iw-sk" />
          <span class="iw-sk pk" />
          <span />
        </div>
      ))}
      {children}
    </div>
  );
}

function FileList({ store, model, search }: FilesProps & { model: FileModel }) {
  const opened = store.files.preview.opened.value;
  const table = useRef<FileTable | null>(null);
  const list = useTable(store, model, table);
  const find = (query: string) => {
    model.search(query);
    table.current?.toTop();
    store.files.changed(false);
  };
  const wasOpen = useRef(false);
  useEffect(() => {
    // Not before: in narrow views the list is back only now.
    if (wasOpen.current && opened === null) table.current?.focus();
    wasOpen.current = opened !== null;
  }, [opened]);
  const close = () => store.files.preview.close();
  const preview = opened !== null && (
    <WithParts peer={store.peer} close={close}>
      {({ Preview }) => <Preview store={store} opened={opened} close={close} />}
    </WithParts>
  );
  // What cannot be looked into yet does not take the place of the list.
  const isReady = partsState.value.kind === "ready";
  return (
    <div class={opened !== null && isReady ? "iw-split open" : "iw-split"}>
      <div class="iw-side-list">
        {!isReady && preview}
        <Toolbar
          store={store}
          model={model}
          search={search}
          find={find}
          onLeave={() => table.current?.focus()}
        />
        <div class="iw-list" ref={list}>
          {model.rowCount === 0 && (
            <div class="iw-empty over">
              <Icon name="search" />
              <b>
                {model.pattern?.isGlob === true ? "No file name fits" : "No file name contains"} “
                {model.query.trim()}”
              </b>
              <button type="button" class="iw-link" onClick={() => find("")}>
                Clear search
              </button>
            </div>
          )}
        </div>
      </div>
      {isReady && preview}
    </div>
  );
}

/** The table in the element that gets the returned reference; painted again whenever the model changed. */
function useTable(store: MonitorStore, model: FileModel, table: RefObject<FileTable | null>) {
  const host = useRef<HTMLDivElement>(null);
  const { preview } = store.files;
  useLayoutEffect(() => {
    const made = new FileTable({
      onChange: (selection) => store.files.changed(selection),
      onOpen: (file) => {
        const files = store.files.state.peek();
        if (files.kind === "ready") preview.open(files.model, file);
      },
    });
    table.current = made;
    host.current?.append(made.element);
    const note = () => {
      store.files.top = made.element.scrollTop;
    };
    made.element.addEventListener("scroll", note, { passive: true });
    return () => {
      made.dispose();
      made.element.remove();
    };
  }, [store, table, preview]);
  const version = store.files.version.value;
  // The version stands for what changed inside the model.
  useLayoutEffect(() => table.current?.show(model), [table, model, version]);
  // Where the reader was, before another tab was opened or the page loaded again.
  useLayoutEffect(() => {
    if (table.current !== null) table.current.element.scrollTop = store.files.top;
  }, [store, table]);
  const shown = preview.opened.value?.index ?? null;
  useLayoutEffect(() => table.current?.mark(shown), [table, shown]);
  return host;
}

interface ToolbarProps extends FilesProps {
  model: FileModel;
  find(query: string): void;
  /** To the list, out of the field. */
  onLeave(): void;
}

function Toolbar({ store, model, search, find, onLeave }: ToolbarProps) {
  return (
    <div class="iw-tools">
      <label class="iw-search">
        <Icon name="search" className="s" />
        <input
          ref={search}
          type="text"
          inputMode="search"
          placeholder="Search files"
          aria-label="Search files"
          title="Part of a path, or a pattern: vtk/*_1?.vtk"
          value={model.query}
          spellcheck={false}
          onInput={(event) => find(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape" && model.query !== "") find("");
            else if (event.key === "Escape" || event.key === "Enter" || event.key === "ArrowDown") onLeave();
            else return;
            event.preventDefault();
            event.stopPropagation();
          }}
        />
        {model.query === "" ? (
          <span class="iw-kbd">/</span>
        ) : (
          <button type="button" class="iw-b icon ghost xs" aria-label="Clear search" onClick={() => find("")}>
            <Icon name="close" className="s" />
          </button>
        )}
      </label>
      <FormSwitch store={store} model={model} />
      <SortMenu store={store} model={model} />
      <span class="iw-sp" />
      <Selected model={model} version={store.files.version.value} />
    </div>
  );
}

const FORMS: readonly [form: Form, label: string, key: string][] = [
  ["tree", "Tree", "T"],
  ["list", "List", "L"],
];

function FormSwitch({ store, model }: { store: MonitorStore; model: FileModel }) {
  return (
    <span class="iw-seg">
      {FORMS.map(([form, label, key]) => (
        <button
          type="button"
          key={form}
          aria-pressed={model.form === form}
          aria-label={label}
          title={`${label} (${key})`}
          onClick={() => store.files.setForm(form)}
        >
          <Icon name={form} className="s" />
        </button>
      ))}
    </span>
  );
}

/** Where there is no head to click on: the order, and the form. */
function SortMenu({ store, model }: { store: MonitorStore; model: FileModel }) {
  const order = COLUMNS.map(({ column, label }) => ({
    label: label + (model.column === column ? (model.descending ? ", descending" : ", ascending") : ""),
    checked: model.column === column,
    act: () => {
      model.sortBy(column, model.column === column ? !model.descending : descendsFirst(column));
      store.files.changed(false);
    },
  }));
  const form = FORMS.map(([name, label, keys]) => ({
    label,
    keys,
    checked: model.form === name,
    act: () => store.files.setForm(name),
  }));
  return (
    <span class="iw-sortmenu">
      <MenuButton
        icon="sort"
        label="Sort and form"
        groups={() => [
          { label: "Sort by", items: order },
          { label: "Show as", items: form },
        ]}
      />
    </span>
  );
}

function Selected({ model }: { model: FileModel; version: number }) {
  const { files, bytes } = model.selection;
  const found = model.pattern === null ? "" : `${formatCount(model.foundCount)} found · `;
  return (
    <span class="iw-nw opt">
      <span class="iw-m">{found}</span>
      {files === 0 ? (
        <span class="iw-m">None of {formatCount(model.count)} selected</span>
      ) : (
        <>
          <b>{formatCount(files)}</b> <span class="iw-m">of {formatCount(model.count)} selected ·</span>{" "}
          {formatSize(bytes)}
        </>
      )}
    </span>
  );
}
