/** What the first paint of a table does not need, tasks themselves among it; as `monitor-parts.ts`. */
export * from "./monitor-parts";
export { mount } from "./view";
export { Compare } from "./views/compare";
export { ActsBar } from "./views/task-list-acts";
