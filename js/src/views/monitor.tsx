import { useEffect, useRef } from "preact/hooks";
import type { MonitorStore } from "../store";
import { Banners } from "./banners";
import { DownloadBar } from "./download-bar";
import { Facts } from "./facts";
import { Files, FilesHeading } from "./files";
import { Head } from "./head";

/** One task: state, facts, acts, output files. */
export function Monitor({ store }: { store: MonitorStore }) {
  const card = useRef<HTMLElement>(null);
  const search = useRef<HTMLInputElement>(null);

  // The button that opened the question gets the focus back when it closes.
  const asking = store.askingKill.value;
  const asked = useRef(false);
  useEffect(() => {
    if (asked.current && !asking)
      card.current?.querySelector<HTMLElement>("button.kill:not([disabled])")?.focus();
    asked.current = asking;
  }, [asking]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isField(event.target)) return;
    if (!runKey(event.key, store, card.current, search.current)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <section class="iw-card" ref={card} aria-label={`Task ${store.taskId}`} onKeyDown={onKeyDown}>
      <Head store={store} />
      <Facts store={store} />
      <Banners store={store} />
      <FilesHeading store={store} />
      <Files store={store} search={search} />
      <DownloadBar store={store} />
      <div class="iw-vh" role="status" aria-live="polite">
        {store.announcement.value}
      </div>
    </section>
  );
}

/** True if the key is one of the view's. */
function runKey(
  key: string,
  store: MonitorStore,
  card: HTMLElement | null,
  search: HTMLInputElement | null,
): boolean {
  switch (key) {
    case "/":
      search?.focus();
      return search !== null;
    case "d":
      if (store.selectedFiles > 0) void store.startDownload("selection");
      return true;
    case "D":
      void store.startDownload("all");
      return true;
    case "k":
      store.askKill();
      return true;
    case "c":
      card?.querySelector<HTMLElement>("[data-key=c]")?.click();
      return true;
    case "r":
      void store.refresh(true);
      return true;
    default:
      return false;
  }
}

function isField(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches("input, textarea, select");
}
