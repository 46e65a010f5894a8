/** Every state of the views, made of recorded messages. */
import type { State } from "./scene";
import { endStates } from "./states/ends";
import { filesStates } from "./states/files";
import { liveStates } from "./states/live";
import { logsStates } from "./states/logs";
import { machineStates } from "./states/machine";
import { monitorStates } from "./states/monitor";
import { panelStates } from "./states/panel";
import { previewStates } from "./states/preview";
import { savedStates } from "./states/saved";
import { tableStates } from "./states/table";

export const states: Record<string, State> = {
  ...monitorStates,
  ...endStates,
  ...filesStates,
  ...previewStates,
  ...logsStates,
  ...liveStates,
  ...machineStates,
  ...savedStates,
  ...tableStates,
  ...panelStates,
};
