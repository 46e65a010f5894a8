import { useEffect, useRef, useState } from "preact/hooks";
import type { MonitorStore } from "../monitor/store";
import { Icon } from "./icon";

/** The bar while another folder is chosen. The service reports whether it can be written to. */
export function FolderField({ store }: { store: MonitorStore }) {
  const [text, setText] = useState(store.files.folder.value ?? "");
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const error = store.files.folderError.value;
  useEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const shut = () => {
    store.files.changing.value = false;
    store.files.folderError.value = null;
  };
  const use = async () => {
    setBusy(true);
    await store.files.changeFolder(text);
    setBusy(false);
  };
  const hint =
    store.peer === "server"
      ? "In the file browser; empty for its root"
      : "Where the kernel runs; empty for the default";
  const message = `${store.uid}-folder`;
  return (
    <form
      class="iw-foot ask"
      onSubmit={(event) => {
        event.preventDefault();
        void use();
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        shut();
      }}
    >
      <div class="say">
        <label class={error === null ? "iw-search folder" : "iw-search folder bad"}>
          <Icon name="folder" className="s" />
          <input
            ref={field}
            type="text"
            spellcheck={false}
            aria-label="Download folder"
            aria-invalid={error !== null}
            aria-describedby={message}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <div id={message} role={error === null ? undefined : "alert"}>
          {error === null ? (
            <span class="iw-cut">{hint}</span>
          ) : (
            <span class="iw-cut err" title={`${error.message} ${error.hint}`}>
              {error.message}
            </span>
          )}
        </div>
      </div>
      <div class="acts">
        <button type="button" class="iw-b" onClick={shut}>
          Back
        </button>
        <button type="submit" class="iw-b primary" disabled={busy || !store.connected.value}>
          Use folder
        </button>
      </div>
    </form>
  );
}
