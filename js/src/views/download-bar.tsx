import type { ComponentChildren } from "preact";
import {
  countOf,
  formatCount,
  formatDuration,
  formatRate,
  formatSize,
  formatSizeOf,
  shortId,
} from "../format";
import type { DownloadProgress } from "../protocol";
import type { MonitorStore } from "../store";
import type { FileModel } from "../table/file-model";
import { Icon } from "./icon";

/** What would be downloaded and where to, then how far it has come. One height in every state. */
export function DownloadBar({ store }: { store: MonitorStore }) {
  const files = store.files.value;
  const version = store.filesVersion.value;
  if (files.kind !== "ready" || files.model.count === 0) return null;
  const download = store.download.value;
  if (download?.state === "running") return <Running store={store} download={download} />;
  return (
    <div class="iw-foot">
      <div class="say">
        <Outcome store={store} model={files.model} version={version} />
      </div>
      <Actions store={store} model={files.model} version={version} />
    </div>
  );
}

function Lines({ first, second }: { first: ComponentChildren; second: ComponentChildren }) {
  return (
    <>
      <div>{first}</div>
      <div>{second}</div>
    </>
  );
}

interface PartProps {
  store: MonitorStore;
  model: FileModel;
  /** Rises with each change inside the model, so that the part is painted again. */
  version: number;
}

function Outcome({ store, model }: PartProps) {
  const download = store.download.value;
  if (store.downloading.value === "waiting") {
    return (
      <Lines
        first={<b class="iw-cut">Waiting for the {store.peer}…</b>}
        second={<span class="iw-cut">The download starts as soon as it is free.</span>}
      />
    );
  }
  const target = <Target path={download?.target ?? model.listing.meta.target} id={store.taskId} />;
  if (download?.state === "done") {
    return (
      <Lines
        first={
          <span class="iw-done">
            <Icon name="check" className="s" />
            {countOf(download.files, "file")} verified
          </span>
        }
        second={
          <>
            <span>in</span>
            {target}
          </>
        }
      />
    );
  }
  if (download !== null) {
    const delivered = `${formatCount(download.files_done)} of ${countOf(download.files, "file")} delivered`;
    return (
      <Lines
        first={<b class="iw-cut">{download.state === "failed" ? "Download failed" : "Download cancelled"}</b>}
        second={<span class="iw-cut">{delivered} and kept</span>}
      />
    );
  }
  const { files, bytes } = model.selection;
  const second = (
    <>
      <span>to</span>
      {target}
    </>
  );
  if (files === 0) return <Lines first={<span class="iw-m">Nothing selected</span>} second={second} />;
  return (
    <Lines
      first={<span class="iw-cut">{`${countOf(files, "file")}, ${formatSize(bytes)}`}</span>}
      second={second}
    />
  );
}

/** A path that keeps its last two parts: they tell folders apart. */
function Target({ path, id }: { path: string; id: string }) {
  const cut = Math.max(0, path.search(/[^/\\]*[/\\][^/\\]*$/));
  return (
    <span class="iw-path" title={path}>
      <span class="iw-cut dir">{path.slice(0, cut)}</span>
      <span class="iw-nw">{path.slice(cut).replaceAll(id, shortId(id))}</span>
    </span>
  );
}

function Actions({ store, model }: PartProps) {
  const { files, bytes } = model.selection;
  const { files: all, bytes: allBytes } = model.total;
  // A click that nobody has taken yet may be repeated; one that is at work may not.
  const disabled = !store.connected.value || store.downloading.value === "sent";
  const some = files > 0 && files < all;
  const start = (what: "selection" | "all") => void store.startDownload(what);
  return (
    <div class="acts">
      {files === all ? null : (
        <button
          type="button"
          class="iw-b"
          disabled={disabled}
          aria-label={`Download all ${countOf(all, "file")}, ${formatSize(allBytes)}`}
          onClick={() => start("all")}
        >
          <Icon name="download" className="s" />
          {some ? `All ${formatCount(all)}` : `Download all ${formatCount(all)}`}
          <Size bytes={allBytes} />
        </button>
      )}
      {files > 0 && (
        <button
          type="button"
          class="iw-b primary"
          disabled={disabled}
          aria-label={`Download ${countOf(files, "file")}, ${formatSize(bytes)}`}
          title="Download (D)"
          onClick={() => start("selection")}
        >
          <Icon name="download" className="s" />
          <span>
            Download {formatCount(files)}
            <span class="opt"> {files === 1 ? "file" : "files"}</span>
          </span>
          <Size bytes={bytes} />
        </button>
      )}
    </div>
  );
}

function Size({ bytes }: { bytes: number }) {
  return <span class="n">{formatSize(bytes)}</span>;
}

function Running({ store, download }: { store: MonitorStore; download: DownloadProgress }) {
  const { bytes, bytes_done, bytes_per_s, seconds_left, files } = download;
  // 100 % is said when the last file is verified, not when the last byte came.
  const percent = bytes === 0 ? 0 : Math.min(99, Math.floor((100 * bytes_done) / bytes));
  const facts = [`${formatSizeOf(bytes_done, bytes)} packed`];
  if (bytes_per_s !== null) facts.push(formatRate(bytes_per_s));
  if (seconds_left !== null) facts.push(`${formatDuration(seconds_left)} left`);
  const cancelling = store.cancelling.value;
  return (
    <div class="iw-foot" style={{ "--p": `${percent}%` }}>
      <span
        class="edge"
        role="progressbar"
        aria-valuenow={percent}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-label="Download"
      >
        <i />
      </span>
      <div class="say">
        <Lines
          first={
            <>
              <b class="iw-cut">Downloading {countOf(files, "file")}</b>
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
          disabled={cancelling || !store.connected.value}
          onClick={() => void store.cancelDownload()}
        >
          {cancelling ? "Cancelling…" : "Cancel"}
        </button>
      </div>
    </div>
  );
}
