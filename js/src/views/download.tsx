import type { MonitorStore } from "../monitor/store";
import { WithParts } from "./with-parts";

/** The bar below the files; it has its room before it is there. */
export function Download({ store }: { store: MonitorStore }) {
  const files = store.files.state.value;
  if (files.kind !== "ready" || files.model.count === 0 || !store.mayDownload) return null;
  return (
    <WithParts peer={store.peer} meanwhile={<div class="iw-foot" />}>
      {({ DownloadBar }) => <DownloadBar store={store} model={files.model} />}
    </WithParts>
  );
}
