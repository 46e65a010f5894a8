import { countOf } from "../format";
import type { MonitorStore } from "../monitor/store";
import { type DownloadProgress, FileState, type Overwrite } from "../protocol";
import { mayStart, Target } from "./download-bar";
import { FootLines } from "./foot";
import { Icon } from "./icon";

const ANSWERS: readonly [answer: Overwrite, label: string, title: string][] = [
  ["skip", "Skip", "Keep the files that are there; fetch the others"],
  ["replace", "Replace", "The files that are there are lost"],
  ["rename", "Keep both", "The new ones get a number in their name"],
];

/** Files with another content are in the target folder: what becomes of them? */
export function Conflict({ store, download }: { store: MonitorStore; download: DownloadProgress }) {
  const taken = download.changed.filter((state, i) => i % 2 === 1 && state === FileState.Differs).length;
  const what = download.is_archive
    ? "An archive is already there"
    : `${countOf(taken, "file")} in the folder ${taken === 1 ? "differs" : "differ"}`;
  return (
    <div class="iw-foot ask" role="alertdialog" aria-label="Files are already there">
      <div class="say">
        <FootLines
          first={<b class="iw-cut">{what}</b>}
          second={
            <>
              <span>in</span>
              <Target path={download.target} id={store.taskId} />
            </>
          }
        />
      </div>
      <div class="acts">
        {ANSWERS.map(([answer, label, title]) => (
          <button
            type="button"
            key={answer}
            class={answer === "replace" ? "iw-b danger" : "iw-b"}
            title={title}
            disabled={!mayStart(store)}
            onClick={() => void store.files.startDownload("rest", answer)}
          >
            {label}
          </button>
        ))}
        <button
          type="button"
          class="iw-b icon ghost"
          aria-label="Do not download"
          title="Do not download"
          onClick={() => store.files.dismissDownload()}
        >
          <Icon name="close" />
        </button>
      </div>
    </div>
  );
}
