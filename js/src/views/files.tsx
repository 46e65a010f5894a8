import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { formatCount, formatSize } from "../format";
import type { IconName } from "../icons";
import type { TaskSummary } from "../protocol";
import type { MonitorStore } from "../store";
import type { FileModel } from "../table/file-model";
import { FileTable } from "../table/file-table";
import { Banner, ErrorText } from "./banners";
import { Icon } from "./icon";

export function FilesHeading({ store }: { store: MonitorStore }) {
  const files = store.files.value;
  const count = files.kind === "ready" ? files.model.count : (store.task.value?.output_files ?? 0);
  return (
    <div class="iw-tabs">
      <h4 class="iw-tab on">
        Files
        {count > 0 && <span class="iw-cnt">{formatCount(count)}</span>}
      </h4>
    </div>
  );
}

export interface FilesProps {
  store: MonitorStore;
  search: RefObject<HTMLInputElement | null>;
}

export function Files({ store, search }: FilesProps) {
  const files = store.files.value;
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
      if (files.error.type === NOT_READY) return <NoFiles detail={files.error.message} />;
      const again = (
        <button type="button" class="iw-b" onClick={() => void store.loadFiles()}>
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
      return task.is_terminal ? <NoFiles /> : <NotYet task={task} />;
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

function NotYet({ task }: { task: TaskSummary }) {
  return (
    <Empty icon="folder" title="Outputs appear when the task ends">
      <span>You can close this page: {task.simulator ?? "the task"} goes on without it.</span>
    </Empty>
  );
}

/** The service's word for "ended, but there is no archive": not a fault of the view. */
const NOT_READY = "OutputsNotReadyError";

function NoFiles({
  detail = "It ended without writing any, or they have been deleted.",
}: {
  detail?: string;
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

const SKELETON_WIDTHS = ["38%", "52%", "30%", "46%"];

function Skeleton({ children }: { children?: ComponentChildren }) {
  return (
    <div class="iw-loading" aria-busy="true">
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
  const host = useRef<HTMLDivElement>(null);
  const table = useRef<FileTable | null>(null);
  useLayoutEffect(() => {
    const made = new FileTable({ onChange: (selection) => store.filesChanged(selection) });
    table.current = made;
    host.current?.append(made.element);
    return () => {
      made.dispose();
      made.element.remove();
    };
  }, [store]);
  const version = store.filesVersion.value;
  // The version stands for what changed inside the model.
  useLayoutEffect(() => table.current?.show(model), [model, version]);

  const find = (query: string) => {
    model.search(query);
    table.current?.toTop();
    store.filesChanged(false);
  };
  return (
    <>
      <div class="iw-tools">
        <label class="iw-search">
          <Icon name="search" className="s" />
          <input
            ref={search}
            type="text"
            inputMode="search"
            placeholder="Search files"
            aria-label="Search files"
            value={model.query}
            spellcheck={false}
            onInput={(event) => find(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape" && model.query !== "") find("");
              else if (event.key === "Escape" || event.key === "Enter" || event.key === "ArrowDown") {
                table.current?.focus();
              } else return;
              event.preventDefault();
              event.stopPropagation();
            }}
          />
          {model.query === "" ? (
            <span class="iw-kbd">/</span>
          ) : (
            <button
              type="button"
              class="iw-b icon ghost xs"
              aria-label="Clear search"
              onClick={() => find("")}
            >
              <Icon name="close" className="s" />
            </button>
          )}
        </label>
        <span class="iw-sp" />
        <Selected model={model} version={version} />
      </div>
      <div class="iw-list" ref={host}>
        {model.rowCount === 0 && (
          <div class="iw-empty over">
            <b>No file name contains “{model.query.trim()}”</b>
            <button type="button" class="iw-link" onClick={() => find("")}>
              Clear search
            </button>
          </div>
        )}
      </div>
    </>
  );
}

function Selected({ model }: { model: FileModel; version: number }) {
  const { files, bytes } = model.selection;
  const found = model.query.trim() === "" ? "" : `${formatCount(model.rowCount)} found · `;
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
