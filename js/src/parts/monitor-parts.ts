/**
 * What the first paint of a task does not need: a bundle of its own in notebooks, loaded when that paint
 * is done. Only `part-loader.ts` leads here.
 */
export { LogsStore } from "../logs/store";
export { MachineStore } from "../monitor/machine-store";
export { Details } from "../views/details";
export { DownloadBar } from "../views/download-bar";
export { Tail } from "../views/failure-tail";
export { LiveFiles } from "../views/files-live";
export { KeySheet } from "../views/key-sheet";
export { Logs } from "../views/logs";
export { Machine } from "../views/machine";
export { Preview } from "../views/preview";
export { Simulated } from "../views/simulated";
