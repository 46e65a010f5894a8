import type { InitializeProps, RenderProps } from "@anywidget/types";
import { afterEach, expect, test } from "vitest";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import widget from "../../src/notebook/monitor-widget";
import { FakeModel } from "../fake-model";

const TASK = taskRunning.messages.find((entry) => entry.message.kind === "result")?.message.result;
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function display(model: FakeModel): HTMLElement {
  const el = document.createElement("div");
  cleanups.push(widget.render({ model, el } as unknown as RenderProps<never>));
  return el;
}

test("a display paints the summary at once and asks for the rest", () => {
  const model = new FakeModel({ task_id: TASK?.task_id, summary: TASK, alive_key: "k1" });
  cleanups.push(widget.initialize({ model } as unknown as InitializeProps<never>));
  const el = display(model);
  expect(el.querySelector(".iw-badge")?.textContent).toBe("In Progress");
  const asked = model.sent.map(({ message }) => message as { kind: string; topic?: string; method?: string });
  expect(asked.map(({ kind, topic, method }) => `${kind} ${topic ?? method}`.replace(/#.*/, ""))).toEqual([
    `subscribe task/${TASK?.task_id}`,
    `subscribe progress/${TASK?.task_id}`,
    "call task.get",
  ]);
});

test("two displays of one model get the same events; closing one leaves the other", async () => {
  const model = new FakeModel({ task_id: TASK?.task_id, summary: null, alive_key: "k2" });
  cleanups.push(widget.initialize({ model } as unknown as InitializeProps<never>));
  const [a, b] = [display(model), display(model)];
  cleanups.pop()?.();
  model.receive({
    kind: "event",
    topic: `task/${TASK?.task_id}`,
    revision: 1,
    event: { kind: "task", task: TASK as never },
  });
  await expect.poll(() => a.querySelector(".iw-badge")?.textContent).toBe("In Progress");
  expect(b.childElementCount).toBe(0);
});

test("the page has a record of the models that are alive, until their kernel is gone", () => {
  const alive = (globalThis as unknown as { __inductivaWidgetsAlive: Set<string> }).__inductivaWidgetsAlive;
  const model = new FakeModel({ task_id: "t", summary: null, alive_key: "k3" });
  cleanups.push(widget.initialize({ model } as unknown as InitializeProps<never>));
  expect(alive.has("k3")).toBe(true);
  model.emit("comm_live_update");
  expect(alive.has("k3")).toBe(false);
});
