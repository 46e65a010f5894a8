import { expect, test } from "vitest";
import { parseTaskId, savedTask, widgetModelId } from "../../src/lab/task-data";

const SAVED = {
  schema: 1,
  task_id: "i4ir3kvv62odsfrhko4y8w2an",
  backend: "0123456789ab",
  alive_key: "0123456789abcdef0123456789abcdef",
  snapshot: {
    status: "success",
    is_terminal: true,
    computation_seconds: 192,
    output_files: 128,
    output_size_bytes: 262_000,
    as_of: "2026-03-01T10:00:00Z",
    simulator: "openfoam",
  },
};

test("an output gives its id, its backend and numbers", () => {
  expect(savedTask(SAVED)).toEqual({
    taskId: SAVED.task_id,
    backendId: SAVED.backend,
    aliveKey: SAVED.alive_key,
    snapshot: {
      status: "success",
      isTerminal: true,
      computationSeconds: 192,
      outputFiles: 128,
      outputBytes: 262_000,
      asOf: Date.UTC(2026, 2, 1, 10),
    },
  });
});

test.each([
  ["another schema", { schema: 2 }],
  ["an id that leads elsewhere", { task_id: "../../api/contents" }],
  ["an id with markup", { task_id: "<img src=x>" }],
  ["an id too long", { task_id: "a".repeat(129) }],
  ["no id", { task_id: undefined }],
  ["a backend that is no hash", { backend: "https://example.org" }],
])("data with %s is no task", (_, change) => {
  expect(savedTask({ ...SAVED, ...change })).toBeNull();
});

test.each([undefined, null, "text", 7, []])("%j is no task", (data) => {
  expect(savedTask(data)).toBeNull();
});

test("no sentence of the file passes, whatever field it hides in", () => {
  const text = "Call this number";
  const snapshot = {
    status: text,
    status_alias: text,
    simulator: text,
    as_of: text,
    computation_seconds: text,
    output_files: -1,
    output_size_bytes: Number.NaN,
    is_terminal: text,
  };

  const saved = savedTask({ ...SAVED, alive_key: text, snapshot });

  expect(JSON.stringify(saved)).not.toContain(text);
  expect(saved?.snapshot).toEqual({
    status: null,
    isTerminal: false,
    computationSeconds: null,
    outputFiles: null,
    outputBytes: null,
    asOf: null,
  });
});

test("a typed id loses its blanks, and what is no id is refused", () => {
  expect(parseTaskId("  i4ir3k \n")).toBe("i4ir3k");
  expect(parseTaskId("a/b")).toBeNull();
  expect(parseTaskId("")).toBeNull();
  expect(parseTaskId(7)).toBeNull();
});

test("the widget's model is named by the widget view beside the task", () => {
  expect(widgetModelId({ model_id: "abc", version_major: 2 })).toBe("abc");
  expect(widgetModelId({})).toBeNull();
  expect(widgetModelId(undefined)).toBeNull();
});
