/** What the first paint of a table does not need, tasks themselves among it; as `monitor-parts.ts`. */

export { mount } from "../monitor/mount";
export { Compare } from "../views/compare";
export { ActsBar } from "../views/task-list-acts";
export * from "./monitor-parts";
