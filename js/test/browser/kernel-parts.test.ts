import { afterEach, beforeEach, expect, test } from "vitest";
import viewParts from "../../../tests/golden/protocol/view-parts.json";
import { partsOfKernel } from "../../src/kernel-parts";
import { modules } from "../../src/shared-modules";
import { gzip } from "../../src/table/listing";
import { ReplayConnection, type Transcript } from "../replay-connection";

const page = globalThis as unknown as Record<string, unknown>;

beforeEach(forget);
afterEach(forget);

/** As if this were a new page. */
function forget(): void {
  for (const name of Object.keys(page)) if (name.startsWith("__inductivaWidgetsParts")) delete page[name];
}

function kernel(): ReplayConnection {
  return new ReplayConnection([viewParts] as Transcript[]);
}

function sends(connection: ReplayConnection, text: string): void {
  connection.handlers.set("view.parts", async () => ({
    result: {},
    buffers: [await gzip(new TextEncoder().encode(text))],
  }));
}

test("the parts are made with the modules of the bundle that asked", async () => {
  const parts = await partsOfKernel(kernel(), () => {});

  expect((parts as unknown as { given: object }).given).toBe(modules);
});

test("a page asks once: the widgets of one page make their parts from one answer", async () => {
  const [first, second] = [kernel(), kernel()];

  const [one, other] = await Promise.all([partsOfKernel(first, () => {}), partsOfKernel(second, () => {})]);

  expect(first.sent).toHaveLength(1);
  expect(second.sent).toHaveLength(0);
  expect(one).not.toBe(other);
});

test("a widget does not wait long for the kernel of another one", async () => {
  const [busy, idle] = [kernel(), kernel()];
  busy.waiting.add("view.parts");
  void partsOfKernel(busy, () => {});
  await expect.poll(() => busy.sent.length).toBe(1);

  await partsOfKernel(idle, () => {});

  expect(idle.sent).toHaveLength(1);
});

test("a module that the browser refuses is told with a way out, and may be asked for again", async () => {
  const connection = kernel();
  sends(connection, "this is no module");
  await expect(partsOfKernel(connection, () => {})).rejects.toMatchObject({
    detail: { type: "ViewError", hint: expect.stringContaining("blob:"), retryable: true },
  });

  sends(connection, "export default () => ({ Details: 1 })");
  expect(await partsOfKernel(connection, () => {})).toEqual({ Details: 1 });
});

test("an answer without a module is an error, not a view without parts", async () => {
  const connection = kernel();
  connection.handlers.set("view.parts", () => ({ result: {}, buffers: [] }));

  await expect(partsOfKernel(connection, () => {})).rejects.toThrow("The kernel sent no part of the view.");
});
