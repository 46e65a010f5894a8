import type { InitializeProps, RenderProps } from "@anywidget/types";
import { afterEach, beforeEach, expect, test } from "vitest";
import { gzip } from "../../src/files/listing";
import { FakeModel } from "../fake-model";

const page = globalThis as unknown as { __inductivaWidgetsCode?: Map<string, unknown>; told?: string[] };

// As anywidget does, each model gets a module of its own.
type Loader = typeof import("../../src/notebook/loader").default;
let loaded = 0;
async function newLoader(): Promise<Loader> {
  loaded += 1;
  return (await import(/* @vite-ignore */ `../../src/notebook/loader?copy=${loaded}`)).default;
}

/** Records what is done with it. */
const MODULE = `globalThis.told.push("imported");
export default {
  addStyle: () => globalThis.told.push("styled"),
  initialize: ({ model }) => {
    globalThis.told.push("begun " + model.get("alive_key"));
    return () => globalThis.told.push("ended " + model.get("alive_key"));
  },
  render: ({ model, el }) => {
    el.textContent = "painted " + model.get("alive_key");
    return () => el.replaceChildren();
  },
};`;

beforeEach(() => {
  page.__inductivaWidgetsCode?.clear();
  page.told = [];
});
const ends: (() => unknown)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function packed(text: string): Promise<DataView> {
  return new DataView(await gzip(new TextEncoder().encode(text)));
}

async function code(text: string, name = "n1"): Promise<FakeModel> {
  return new FakeModel({ name, packed: await packed(text) });
}

/** A widget of a page whose manager has these models. */
class Shown {
  readonly el = document.createElement("div");
  constructor(
    readonly loader: Loader,
    readonly model: FakeModel,
  ) {
    ends.push(loader.initialize({ model } as unknown as InitializeProps<never>));
  }

  async render(): Promise<() => void> {
    return this.loader.render({ model: this.model, el: this.el } as unknown as RenderProps<never>);
  }
}

async function widget(key: string, models: Map<string, FakeModel>, id = "m1"): Promise<Shown> {
  const model = new FakeModel({ alive_key: key, code: `IPY_MODEL_${id}`, as_text: `Task ${key}` });
  const get_model = async (wanted: string) => {
    const found = models.get(wanted);
    if (found === undefined) throw new Error("widget model not found");
    return found;
  };
  Object.assign(model, { widget_manager: { get_model } });
  return new Shown(await newLoader(), model);
}

test("the widgets of a page import the code once, and each is begun before it is painted", async () => {
  const models = new Map([["m1", await code(MODULE)]]);
  const shown = await Promise.all(["a", "b", "c"].map((key) => widget(key, models)));

  await Promise.all(shown.map((one) => one.render()));

  expect(shown.map(({ el }) => el.textContent)).toEqual(["painted a", "painted b", "painted c"]);
  expect(page.told?.sort()).toEqual(["begun a", "begun b", "begun c", "imported", "styled"]);
});

test("the same code of another kernel is not imported again, other code is", async () => {
  const models = new Map([
    ["m1", await code(MODULE)],
    ["m2", await code(MODULE)],
    ["m3", await code(MODULE, "n2")],
  ]);
  for (const id of models.keys()) await (await widget(id, models, id)).render();

  expect(page.told?.filter((one) => one === "imported")).toHaveLength(2);
});

test("code that comes after the widget is waited for", async () => {
  const models = new Map<string, FakeModel>();
  const shown = await widget("a", models);
  const painted = shown.render();
  models.set("m1", await code(MODULE));

  await painted;

  expect(shown.el.textContent).toBe("painted a");
});

test("a widget that is gone before its code came leaves nothing begun", async () => {
  const models = new Map<string, FakeModel>();
  await widget("a", models);
  ends.pop()?.();
  models.set("m1", await code(MODULE));

  await expect.poll(() => page.told).toContain("ended a");
});

test("code that the browser refuses is reported, and may come again", async () => {
  const models = new Map([["m1", await code("this is no module")]]);
  const shown = await widget("a", models);
  await shown.render();
  expect(shown.el.querySelector("[role=alert]")?.textContent).toContain("scripts from blob: addresses");

  models.set("m1", await code(MODULE));
  const again = await widget("b", models);
  await again.render();

  expect(again.el.textContent).toBe("painted b");
});

test("a page that was saved without the code shows what was saved, and states why", async () => {
  const models = new Map([["m1", new FakeModel({ name: "n1", packed: {} })]]);
  const shown = await widget("a", models);
  void shown.render();

  await expect.poll(() => shown.el.textContent).toContain("Task a");
  expect(shown.el.textContent).toContain("run the cell again");
});

test("a page whose manager lacks the code asks the kernel, and shows that until it answers", async () => {
  const shown = await widget("a", new Map());
  const painted = shown.render();
  await expect.poll(() => shown.el.textContent, { timeout: 5000 }).toContain("Waiting for the kernel");
  expect(shown.el.textContent).toContain("Task a");
  const id = "code-a";
  expect(shown.model.sent.map(({ message }) => message)).toEqual([
    { kind: "call", id, method: "view.code", params: {} },
  ]);

  shown.model.receive({ kind: "ack", id });
  shown.model.receive({ kind: "result", id, result: { name: "n1" } }, [await packed(MODULE)]);

  await painted;
  expect(shown.el.textContent).toBe("painted a");
});
