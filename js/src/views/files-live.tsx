import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { countOf, formatAge, formatCount, formatDuration, sizeParts } from "../format";
import { LiveLook } from "../monitor/live-look";
import type { MonitorStore } from "../monitor/store";
import type { LiveFiles as Listed, ServiceError } from "../protocol";
import { Icon } from "./icon";

/** Entries of a folder that are shown at once, and files up to which all folders are unfolded. */
const MOST_SHOWN = 300;
const FEW_FILES = 40;

const looks = new WeakMap<MonitorStore, LiveLook<"live.files">>();

interface LiveFilesProps {
  store: MonitorStore;
  /** What stands there as long as nothing is known; `error`: why. */
  otherwise(error: ServiceError | null): ComponentChildren;
}

/** The files that a running task has by now. */
export function LiveFiles({ store, otherwise }: LiveFilesProps) {
  const look = lookOf(store);
  useEffect(() => look.start(), [look]);
  const listed = look.answer.value;
  const error = look.error.value;
  if (listed === null || listed.files.length === 0) return <>{otherwise(error)}</>;
  return <LiveTree store={store} listed={listed} error={error} />;
}

function lookOf(store: MonitorStore): LiveLook<"live.files"> {
  const look = looks.get(store) ?? new LiveLook(store, "live.files");
  looks.set(store, look);
  return look;
}

function LiveTree({
  store,
  listed,
  error,
}: {
  store: MonitorStore;
  listed: Listed;
  error: ServiceError | null;
}) {
  const root = useMemo(() => treeOf(listed), [listed]);
  const [folded, setFolded] = useState<ReadonlyMap<string, boolean>>(new Map());
  const isOpen = (folder: Folder) => folded.get(folder.path) ?? listed.files.length <= FEW_FILES;
  const newest = listed.newest;
  const age = newest === null ? 0 : newest.seconds_ago + (store.now.value - Date.parse(listed.as_of)) / 1000;
  return (
    <>
      {error === null ? (
        <Said listed={listed} age={age} />
      ) : (
        <p class="iw-cut-note">
          {error.message} {error.hint} These are the files as they were.
        </p>
      )}
      {/* biome-ignore lint/a11y/useSemanticElements: a region that scrolls, and is named */}
      <div
        class="iw-livelist"
        role="region"
        aria-label="Files by now"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls needs a stop
        tabIndex={0}
      >
        <Entries
          folder={root}
          newest={newest === null ? null : { name: newest.name, age }}
          isOpen={isOpen}
          toggle={(folder) => setFolded(new Map(folded).set(folder.path, !isOpen(folder)))}
        />
      </div>
    </>
  );
}

/** How many files, or that nothing has been written for longer than usual. */
function Said({
  listed: { files, left_out, newest, usual_s, quiet_after_s },
  age,
}: {
  listed: Listed;
  age: number;
}) {
  if (newest !== null && age > quiet_after_s) {
    const usually =
      usual_s === null ? "" : ` Usually a file is written every ${formatDuration(Math.max(1, usual_s))}.`;
    return (
      <p class="iw-cut-note quiet" role="status">
        <Icon name="warn" className="s" /> Nothing has been written for {formatAge(age)}.{usually}
      </p>
    );
  }
  const more = left_out > 0 ? `, the first ${formatCount(files.length)} are shown` : "";
  return (
    <p class="iw-cut-note">
      {countOf(files.length + left_out, "file")} by now{more}. They can be downloaded once the task has ended.
    </p>
  );
}

interface File {
  readonly path: string;
  readonly name: string;
  readonly size: number | null;
}

interface Folder {
  readonly path: string;
  readonly name: string;
  readonly folders: Folder[];
  readonly files: File[];
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

/** Times are folders of many solvers: 0.05 comes before 0.1. */
function inOrder(a: { name: string }, b: { name: string }): number {
  return Number(a.name) - Number(b.name) || COLLATOR.compare(a.name, b.name);
}

function treeOf({ files, sizes }: Listed): Folder {
  const root: Folder = { path: "", name: "", folders: [], files: [] };
  const known = new Map<string, Folder>([["", root]]);
  const folderOf = (path: string): Folder => {
    const found = known.get(path);
    if (found !== undefined) return found;
    const cut = path.lastIndexOf("/");
    const made = { path, name: path.slice(cut + 1), folders: [], files: [] };
    known.set(path, made);
    folderOf(path.slice(0, Math.max(0, cut))).folders.push(made);
    return made;
  };
  for (const [i, path] of files.entries()) {
    const cut = path.lastIndexOf("/");
    folderOf(path.slice(0, Math.max(0, cut))).files.push({
      path,
      name: path.slice(cut + 1),
      size: sizes?.[i] ?? null,
    });
  }
  for (const folder of known.values()) {
    folder.folders.sort(inOrder);
    folder.files.sort(inOrder);
  }
  return root;
}

interface EntriesProps {
  folder: Folder;
  newest: { name: string; age: number } | null;
  isOpen(folder: Folder): boolean;
  toggle(folder: Folder): void;
}

function Entries({ folder, newest, isOpen, toggle }: EntriesProps) {
  const folders = folder.folders.slice(0, MOST_SHOWN);
  const files = folder.files.slice(0, MOST_SHOWN);
  // What was written last is shown in any case.
  const last = folder.files.find(({ path }) => path === newest?.name);
  if (last !== undefined && !files.includes(last)) files.push(last);
  const rest = folder.folders.length + folder.files.length - folders.length - files.length;
  return (
    <ul>
      {folders.map((each) => (
        <li key={each.path}>
          <button type="button" class="row" aria-expanded={isOpen(each)} onClick={() => toggle(each)}>
            <Icon name="chevron" className="s fold" />
            <Icon name="folder" className="s" />
            <span class="iw-cut">{each.name}</span>
            <small>{countOf(countFiles(each), "file")}</small>
            <Written isHere={!isOpen(each) && holds(each, newest)} age={newest?.age ?? 0} />
            <Size bytes={bytesOf(each)} />
          </button>
          {isOpen(each) && <Entries folder={each} newest={newest} isOpen={isOpen} toggle={toggle} />}
        </li>
      ))}
      {files.map(({ path, name, size }) => (
        <li key={path} class="row">
          <Icon name="file" className="s" />
          <span class="iw-cut" title={path}>
            {name}
          </span>
          <Written isHere={path === newest?.name} age={newest?.age ?? 0} />
          <Size bytes={size} />
        </li>
      ))}
      {rest > 0 && <li class="row more">{formatCount(rest)} more</li>}
    </ul>
  );
}

function Written({ isHere, age }: { isHere: boolean; age: number }) {
  return isHere ? <span class="fresh">written {age < 2 ? "just now" : `${formatAge(age)} ago`}</span> : null;
}

/** With its unit in a slot of its own, as in the list of an archive. */
function Size({ bytes }: { bytes: number | null }) {
  if (bytes === null) return null;
  const [value, unit] = sizeParts(bytes);
  return (
    <span class="sz">
      {value}
      <span class="iw-u">{unit}</span>
    </span>
  );
}

/** `null` if one of them is not known. */
function bytesOf({ folders, files }: Folder): number | null {
  let sum = 0;
  for (const bytes of [...folders.map(bytesOf), ...files.map(({ size }) => size)]) {
    if (bytes === null) return null;
    sum += bytes;
  }
  return sum;
}

function holds({ path }: Folder, newest: { name: string } | null): boolean {
  return newest?.name.startsWith(`${path}/`) === true;
}

function countFiles({ folders, files }: Folder): number {
  return folders.reduce((sum, folder) => sum + countFiles(folder), files.length);
}
