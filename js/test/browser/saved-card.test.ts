import "../../src/style.css";
import { afterEach, expect, test, vi } from "vitest";
import type { ServiceError } from "../../src/protocol";
import { paintSavedCard, type Remembered } from "../../src/views/saved-card";

const SAVED: Remembered = {
  taskId: "i4ir3kvv62odsfrhko4y8w2an",
  status: "success",
  isTerminal: true,
  computationSeconds: 192,
  outputFiles: 128,
  outputBytes: 262_000,
  asOf: Date.now(),
};
const TROUBLE: ServiceError = {
  type: "UnknownBackendError",
  message: "This server does not know the service",
  hint: "Set a key",
  retryable: false,
};

afterEach(() => document.body.replaceChildren());

function paint(saved: Remembered, trouble: ServiceError | null, onRetry = () => {}): HTMLElement {
  const el = document.createElement("div");
  document.body.append(el);
  paintSavedCard(el, { saved, trouble, onRetry });
  return el;
}

test("the card is there at once, with what is known and the room of the live view", () => {
  const el = paint(SAVED, null);

  expect(el.querySelector(".iw-badge")?.textContent).toBe("Success");
  expect(el.textContent).toContain("3 min 12 s");
  expect(el.textContent).toMatch(/Files128, 262\.0\sKB/);
  expect(el.querySelector("[aria-busy=true]")).not.toBeNull();
  expect(el.getBoundingClientRect().height).toBe(330 + 13 * 28);
});

test("a task that had not ended is described in the past tense", () => {
  const el = paint({ ...SAVED, status: "computation-started", isTerminal: false, outputFiles: null }, null);
  expect(el.querySelector(".iw-badge")?.textContent).toBe("Was In Progress");
  expect(el.getBoundingClientRect().height).toBe(442);
});

test("without a status the card states that it is unknown", () => {
  const el = paint({ ...SAVED, status: null, computationSeconds: null, outputFiles: null, asOf: null }, null);
  expect(el.querySelector(".iw-badge")?.textContent).toBe("Not known");
});

test("the reason comes with another try, and takes no more room than it needs", () => {
  const onRetry = vi.fn();
  const el = paint(SAVED, TROUBLE, onRetry);

  expect(el.textContent).toContain("This server does not know the service. Set a key.");
  el.querySelector("button")?.click();

  expect(onRetry).toHaveBeenCalledOnce();
  expect(el.querySelector("[aria-busy=true]")).toBeNull();
  expect(el.getBoundingClientRect().height).toBeLessThan(250);
});
