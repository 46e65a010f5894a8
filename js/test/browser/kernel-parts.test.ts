import { afterEach, expect, test } from "vitest";
import viewParts from "../../../tests/golden/protocol/view-parts.json";
import { gzip } from "../../src/files/listing";
import { partsOfKernel } from "../../src/notebook/kernel-parts";
import { addStyle } from "../../src/notebook/page-style";
import { modules } from "../../src/notebook/shared-modules";
import { ReplayConnection, type Transcript } from "../replay-connection";

afterEach(() => {
  for (const style of document.querySelectorAll("style[data-inductiva-widgets]")) style.remove();
});

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

test("the rules of the parts stand between those of the first paint, before the page's own", async () => {
  addStyle("first", ".first {}");
  addStyle("last", ".last {}");

  await partsOfKernel(kernel(), () => {});

  const [first, parts, last] = [...document.head.children].map((one) => one.textContent);
  expect([first, last]).toEqual([".first {}", ".last {}"]);
  expect(parts).toContain(".iw-golden");
});

test("a module that the browser refuses is reported with a way out, and may be asked for again", async () => {
  const connection = kernel();
  sends(connection, "this is no module");
  await expect(partsOfKernel(connection, () => {})).rejects.toThrow("scripts from blob: addresses");

  sends(connection, "export default () => ({ Details: 1 })");
  expect(await partsOfKernel(connection, () => {})).toEqual({ Details: 1 });
});

test("an answer without a module is an error, not a view without parts", async () => {
  const connection = kernel();
  connection.handlers.set("view.parts", () => ({ result: {}, buffers: [] }));

  await expect(partsOfKernel(connection, () => {})).rejects.toThrow("The kernel sent no part of the view.");
});
