import { useEffect, useRef } from "preact/hooks";
import { type MonitorStore, TABS } from "../monitor/store";
import { partsState } from "../parts/part-loader";
import { Banners } from "./banners";
import { Facts } from "./facts";
import { FailureReport } from "./failure";
import { Head } from "./head";
import { runKey, useKeys } from "./keys";
import { PhaseStrip } from "./phases";
import { TabPanel, Tabs } from "./tabs";
import { WithParts } from "./with-parts";

/** One task: state, facts, phases, acts, and the tabs. */
export function Monitor({ store }: { store: MonitorStore }) {
  const card = useRef<HTMLElement>(null);
  useKeys(store, {
    k: () => store.askKill(),
    c: () => card.current?.querySelector<HTMLElement>("[data-key=c]")?.click(),
    r: () => void store.refresh(true),
    m: () => card.current?.querySelector<HTMLElement>(".iw-head [aria-haspopup=menu]")?.click(),
    "?": () => {
      store.showingKeys.value = true;
    },
    ...Object.fromEntries(
      TABS.map((tab, index) => [
        String(index + 1),
        () => {
          store.tab.value = tab;
        },
      ]),
    ),
  });
  const sheet = store.showingKeys.value && partsState.value.kind === "ready";
  useReturnedFocus(sheet, card);
  useReturnedFocus(store.askingKill.value, card, "button.kill:not([disabled])");
  return (
    <section
      class="iw-card"
      ref={card}
      aria-label={`Task ${store.taskId}`}
      onKeyDown={(event) => {
        if (sheet || !runKey(store, event)) return;
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      <div class="iw-all" inert={sheet}>
        <Head store={store} />
        <Facts store={store} />
        <PhaseStrip store={store} />
        {store.progress.value !== null && (
          <WithParts peer={store.peer} meanwhile={null}>
            {({ Simulated }) => <Simulated store={store} />}
          </WithParts>
        )}
        <FailureReport store={store} />
        <div class="iw-main" style={{ "--rows": rowsOf(store) }}>
          <Banners store={store} />
          <Tabs store={store} />
          <TabPanel store={store} />
        </div>
      </div>
      {store.showingKeys.value && (
        <WithParts
          peer={store.peer}
          close={() => {
            store.showingKeys.value = false;
          }}
        >
          {({ KeySheet }) => <KeySheet store={store} />}
        </WithParts>
      )}
      <div class="iw-vh" role="status" aria-live="polite">
        {store.announcement.value}
      </div>
    </section>
  );
}

/** Rows that the tabs leave room for: they, banners and folded folders do not move what is below the card. */
function rowsOf(store: MonitorStore): number {
  const files = store.files.state.value;
  const count = files.kind === "ready" ? files.model.count : (store.task.value?.output_files ?? 0);
  const least = store.task.value?.is_terminal === true ? 6 : store.hasComputed.value ? 10 : 4;
  return Math.min(13, Math.max(least, count));
}

/** What had the focus when something opened gets it back when that closes, else what `selector` finds. */
function useReturnedFocus(open: boolean, card: { current: HTMLElement | null }, selector?: string): void {
  const before = useRef<HTMLElement | null>(null);
  const wasOpen = useRef(false);
  if (open && !wasOpen.current) before.current = focused(card.current);
  useEffect(() => {
    if (wasOpen.current && !open) {
      const found = selector === undefined ? null : card.current?.querySelector<HTMLElement>(selector);
      (found ?? before.current)?.focus();
    }
    wasOpen.current = open;
  }, [open, card, selector]);
}

/** The element inside the card that has the focus; also in a shadow root. */
function focused(card: HTMLElement | null): HTMLElement | null {
  const active = (card?.getRootNode() as Document | ShadowRoot | undefined)?.activeElement;
  return active instanceof HTMLElement && card?.contains(active) ? active : null;
}
