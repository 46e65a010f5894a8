import type { FileModel } from "../files/file-model";
import { CONFLICT, type Wanted } from "../files/store";
import {
  countOf,
  formatCount,
  formatDuration,
  formatRate,
  formatSize,
  formatSizeOf,
  shortId,
} from "../format";
import type { MonitorStore } from "../monitor/store";
import type { DownloadProgress } from "../protocol";
import { Conflict } from "./download-conflict";
import { FolderField } from "./download-folder";
import { FootLines, ProgressFoot } from "./foot";
import { Icon } from "./icon";
import { MenuButton } from "./pop-menu";

/** What would be downloaded and where to, then how far it has come. One height in every state. */
export function DownloadBar({ store, model }: { store: MonitorStore; model: FileModel }) {
  const version = store.files.version.value;
  const download = store.files.download.value;
  if (download?.state === "running") return <Running store={store} download={download} />;
  if (store.files.changing.value) return <FolderField store={store} />;
  if (download?.error?.type === CONFLICT) return <Conflict store={store} download={download} />;
  return (
    <div class="iw-foot">
      <div class="say">
        <Outcome store={store} model={model} version={version} />
      </div>
      {download !== null && download.state !== "done" ? (
        <Rest store={store} model={model} version={version} />
      ) : (
        <Actions store={store} model={model} version={version} />
      )}
    </div>
  );
}

interface PartProps {
  store: MonitorStore;
  model: FileModel;
  /** Rises with each change inside the model, so that the part is painted again. */
  version: number;
}

function Outcome({ store, model }: PartProps) {
  const download = store.files.download.value;
  if (store.files.downloading.value === "waiting") {
    return (
      <FootLines
        first={<b class="iw-cut">Waiting for the {store.peer}…</b>}
        second={<span class="iw-cut">The download starts as soon as it is free.</span>}
      />
    );
  }
  if (download !== null) return <Ended store={store} download={download} />;
  if (!store.connected.value) {
    return (
      <FootLines
        first={<b class="iw-cut">Not connected</b>}
        second={
          <span class="iw-cut">
            {store.peer === "kernel"
              ? "Run the cell again to download."
              : "The connection is tried again by itself."}
          </span>
        }
      />
    );
  }
  const { files, bytes } = model.selection;
  const second = (
    <>
      <span>to</span>
      <Target path={store.files.target.value} id={store.taskId} />
      <button
        type="button"
        class="iw-link"
        onClick={() => {
          store.files.changing.value = true;
        }}
      >
        Change
      </button>
    </>
  );
  if (files === 0) return <FootLines first={<span class="iw-m">Nothing selected</span>} second={second} />;
  return (
    <FootLines
      first={<span class="iw-cut">{`${countOf(files, "file")}, ${formatSize(bytes)}`}</span>}
      second={second}
    />
  );
}

/** How a download ended. */
function Ended({ store, download }: { store: MonitorStore; download: DownloadProgress }) {
  const { files, files_done: done, state, is_archive: isArchive } = download;
  if (state === "done") {
    return (
      <FootLines
        first={
          <span class="iw-done">
            <Icon name="check" className="s" />
            {isArchive ? "Archive verified" : `${countOf(files, "file")} verified`}
          </span>
        }
        second={
          <>
            <span>in</span>
            <Target path={download.target} id={store.taskId} />
          </>
        }
      />
    );
  }
  const delivered = `${formatCount(done)} of ${countOf(files, "file")} delivered and kept`;
  return (
    <FootLines
      first={<b class="iw-cut">{state === "failed" ? "Download failed" : "Download cancelled"}</b>}
      second={<span class="iw-cut">{isArchive ? "The archive was not delivered" : delivered}</span>}
    />
  );
}

/** A path shortened to its last two parts: they distinguish folders. */
export function Target({ path, id }: { path: string; id: string }) {
  const cut = Math.max(0, path.search(/[^/\\]*[/\\][^/\\]*$/));
  return (
    <span class="iw-path" title={path}>
      <span class="iw-cut dir">{path.slice(0, cut)}</span>
      <span class="iw-nw">{path.slice(cut).replaceAll(id, shortId(id))}</span>
    </span>
  );
}

/** An unacknowledged click may be repeated; one that is being handled may not. */
export function mayStart(store: MonitorStore): boolean {
  return store.connected.value && store.files.downloading.value !== "sent";
}

function Actions({ store, model }: PartProps) {
  const { files, bytes } = model.selection;
  const { files: all, bytes: allBytes } = model.total;
  const disabled = !mayStart(store);
  const some = files > 0 && files < all;
  const start = (what: Wanted) => void store.files.startDownload(what);
  return (
    <div class="acts">
      {files === all ? null : (
        <button
          type="button"
          class="iw-b"
          disabled={disabled}
          title="Download all (Shift+D)"
          onClick={() => start("all")}
        >
          <Icon name="download" className="s" />
          <span>
            {some ? "All" : "Download all"} {formatCount(all)}
            <span class="iw-vh"> {all === 1 ? "file" : "files"}, </span>
          </span>
          <Size bytes={allBytes} />
        </button>
      )}
      {files > 0 && (
        <button
          type="button"
          class="iw-b primary"
          disabled={disabled}
          title="Download (D)"
          onClick={() => start("selection")}
        >
          <Icon name="download" className="s" />
          <span>
            Download {formatCount(files)}
            <span class="opt"> {files === 1 ? "file" : "files"}</span>
            <span class="iw-vh">, </span>
          </span>
          <Size bytes={bytes} />
        </button>
      )}
      <More store={store} model={model} />
    </div>
  );
}

/** What is not needed at every download. */
function More({ store, model }: { store: MonitorStore; model: FileModel }) {
  const archive = formatSize(model.listing.meta.archive_bytes);
  return (
    <MenuButton
      icon="more"
      label="More ways to download"
      groups={() => [
        {
          items: [
            {
              label: `All as zip, ${archive}`,
              icon: "download",
              act: () => {
                if (mayStart(store)) void store.files.startDownload("zip");
              },
            },
            {
              label: "Change the folder…",
              icon: "folder",
              act: () => {
                store.files.changing.value = true;
              },
            },
          ],
        },
      ]}
    />
  );
}

/** After a download that did not deliver all: once more for what is missing, or done with it. */
function Rest({ store, model }: PartProps) {
  const left = model.local.undelivered.length;
  const isArchive = store.files.download.value?.is_archive === true;
  return (
    <div class="acts">
      <button type="button" class="iw-b" onClick={() => store.files.dismissDownload()}>
        Close
      </button>
      {(left > 0 || isArchive) && (
        <button
          type="button"
          class="iw-b primary"
          disabled={!mayStart(store)}
          onClick={() => void store.files.startDownload("rest")}
        >
          <Icon name="refresh" className="s" />
          {isArchive ? "Retry" : `Retry ${countOf(left, "file")}`}
        </button>
      )}
    </div>
  );
}

function Size({ bytes }: { bytes: number }) {
  return <span class="n">{formatSize(bytes)}</span>;
}

function Running({ store, download }: { store: MonitorStore; download: DownloadProgress }) {
  const { bytes, bytes_done, bytes_per_s, seconds_left, files, paused } = download;
  // 100 % is shown when the last file is verified, not when the last byte came.
  const percent = bytes === 0 ? 0 : Math.min(99, Math.floor((100 * bytes_done) / bytes));
  const facts = [`${formatSizeOf(bytes_done, bytes)} packed`];
  if (paused) facts.push("kept");
  else {
    if (bytes_per_s !== null) facts.push(formatRate(bytes_per_s));
    if (seconds_left !== null) facts.push(`${formatDuration(seconds_left)} left`);
  }
  const what = download.is_archive ? "the archive" : countOf(files, "file");
  const cancelling = store.files.cancelling.value;
  const disabled = cancelling || !store.connected.value;
  return (
    <ProgressFoot className={paused ? "paused" : ""} percent={percent}>
      <div class="say">
        <FootLines
          first={
            <>
              <b class="iw-cut">{paused ? `Paused, ${what}` : `Downloading ${what}`}</b>
              <span class="iw-m iw-nw">{percent} %</span>
            </>
          }
          second={<span class="iw-cut">{facts.join(" · ")}</span>}
        />
      </div>
      <div class="acts">
        <button
          type="button"
          class="iw-b"
          disabled={disabled}
          onClick={() => void store.files.pauseDownload(!paused)}
        >
          <Icon name={paused ? "resume" : "pause"} className="s" />
          {paused ? "Resume" : "Pause"}
        </button>
        <button
          type="button"
          class="iw-b"
          disabled={disabled}
          onClick={() => void store.files.cancelDownload()}
        >
          {cancelling ? "Cancelling…" : "Cancel"}
        </button>
      </div>
    </ProgressFoot>
  );
}
