import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatSize } from "../format";
import type { MonitorStore } from "../monitor/store";
import type { Opened } from "../preview/store";
import { decode } from "../preview/text";
import type { PreviewKind } from "../protocol";
import { ErrorText } from "./banner";
import { Icon } from "./icon";
import { Json } from "./preview-json";
import { Binary, type PartProps, Picture, Points, Table, TextPart } from "./preview-kinds";

interface Props {
  store: MonitorStore;
  opened: Opened;
  close(): void;
}

/** The word for what a kind is shown as, beside its text. */
const SHOWN_AS: Partial<Record<PreviewKind, string>> = {
  csv: "Table",
  json: "Tidy",
  vtk: "Picture",
};

/** A file that is looked into without a download. Escape closes it. */
export function Preview({ store, opened, close }: Props) {
  const [asText, setAsText] = useState(false);
  const pane = useRef<HTMLElement>(null);
  // Where the list has given its place, the focus must not stay in it.
  useEffect(() => {
    setAsText(false);
    if (isAlone(pane.current)) pane.current?.focus();
  }, [opened.index]);
  const kind = opened.part?.meta.kind;
  const shownAs = kind === undefined ? undefined : SHOWN_AS[kind];
  const base = opened.name.slice(opened.name.lastIndexOf("/") + 1);
  return (
    <aside
      class="iw-preview"
      ref={pane}
      tabIndex={-1}
      aria-label={`Preview of ${opened.name}`}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        close();
      }}
    >
      <header class="iw-pv">
        <button type="button" class="iw-b icon ghost back" aria-label="Back to the list" onClick={close}>
          <Icon name="back" />
        </button>
        <b class="iw-cut" title={opened.name}>
          {base}
        </b>
        <span class="iw-m iw-nw">{formatSize(opened.size)}</span>
        <span class="iw-sp" />
        {shownAs !== undefined && isReadable(opened) && (
          <span class="iw-seg">
            <button type="button" aria-pressed={!asText} onClick={() => setAsText(false)}>
              <span data-bold={shownAs}>{shownAs}</span>
            </button>
            <button type="button" aria-pressed={asText} onClick={() => setAsText(true)}>
              <span data-bold="Text">Text</span>
            </button>
          </span>
        )}
        <button
          type="button"
          class="iw-b icon ghost shut"
          aria-label="Close the preview"
          title="Close (Esc)"
          onClick={close}
        >
          <Icon name="close" />
        </button>
      </header>
      <Body store={store} opened={opened} asText={asText} />
    </aside>
  );
}

/** In narrow views the preview stands in the place of the list. */
function isAlone(pane: HTMLElement | null): boolean {
  const list = pane?.parentElement?.querySelector<HTMLElement>(".iw-side-list");
  return list !== null && list !== undefined && list.offsetParent === null;
}

/** Whether the bytes can be read as text as well; a binary VTK file cannot. */
function isReadable({ part }: Opened): boolean {
  return part !== null && !part.bytes.subarray(0, 4000).includes(0);
}

const PARTS: Record<PreviewKind, (props: PartProps) => preact.JSX.Element> = {
  text: TextPart,
  csv: Table,
  json: Json,
  image: Picture,
  vtk: Points,
  binary: Binary,
};

function Body({ store, opened, asText }: { store: MonitorStore; opened: Opened; asText: boolean }) {
  const { part, error } = opened;
  const { preview } = store.files;
  const bytes = part?.bytes;
  const text = useMemo(() => (bytes === undefined ? "" : decode(bytes)), [bytes]);
  if (error !== null && part === null) {
    return (
      <div class="iw-pvbox">
        <div class="iw-empty" role="alert">
          <ErrorText error={error} />
          {error.retryable && (
            <button type="button" class="iw-b" onClick={() => preview.again()}>
              <Icon name="refresh" className="s" />
              Try again
            </button>
          )}
        </div>
      </div>
    );
  }
  if (part === null) {
    return (
      <div class="iw-pvbox" aria-busy="true">
        <span class="iw-m">{opened.waiting ? `Waiting for the ${store.peer}: it is busy.` : "Reading…"}</span>
      </div>
    );
  }
  if (opened.size === 0) {
    return (
      <div class="iw-pvbox">
        <span class="iw-m">This file is empty.</span>
      </div>
    );
  }
  const Part = asText ? TextPart : PARTS[part.meta.kind];
  return <Part key={opened.index} store={preview} opened={opened} part={part} text={text} />;
}
