import { describe, expect, test } from "vitest";
import { bundlesOf, loader } from "../../bundle.mjs";
import { gzip } from "../../src/files/listing";

const BUDGET = 45_000; // bytes with gzip that a first paint may need

const OF_A_TASK = ["logs/store.ts", "monitor/machine-store.ts", "logs/terminal.ts", "preview/vtk.ts"].concat(
  ["details", "download-bar", "logs", "machine", "preview"].map((name) => `views/${name}.tsx`),
);
const PARTS = {
  monitor: OF_A_TASK,
  table: [...OF_A_TASK, "monitor/mount.tsx", "views/compare.tsx", "views/task-list-acts.tsx"],
};

describe.each(["monitor", "table"] as const)("the bundles of a %s", async (kind) => {
  const { first, parts, style } = await bundlesOf(kind);

  test("what paints first is small", async () => {
    const sizes = [first.text, await loader()].map(async (text) => {
      const { byteLength } = await gzip(new TextEncoder().encode(text));
      return byteLength;
    });
    const [code = 0, loading = 0] = await Promise.all(sizes);
    expect(code + loading).toBeLessThanOrEqual(BUDGET);
  });

  test("menus have their look before the parts are there", () => {
    expect(style.first).toContain(".iw .iw-menu button{");
  });

  test("there is one instance of each module: Preact and the stores are in the first bundle only", () => {
    expect(first.modules.filter((name) => parts.modules.includes(name))).toEqual([]);
    expect(first.modules).toContain("node_modules/preact/dist/preact.mjs");
    expect(parts.modules.filter((name) => name.includes("node_modules"))).toEqual([]);
  });

  test("what is named as a part is not in the first bundle", () => {
    for (const name of PARTS[kind]) expect(parts.modules).toContain(`src/${name}`);
  });

  test("the first bundle gives every name that the parts take", () => {
    const taken = [...parts.text.matchAll(/\{([^{}]*)\}=\w+\["([^"]+)"\]/g)];
    expect(taken.length).toBeGreaterThan(10);
    for (const [, names = "", module = ""] of taken) {
      const at = first.text.indexOf(`"${module}":{`);
      const given = first.text.slice(at, first.text.indexOf("}", at)).split(/[{,]/);
      expect(at, module).toBeGreaterThan(0);
      for (const name of names.split(",")) {
        const wanted = name.split(":")[0] ?? "";
        expect(
          given.some((one) => one.split(":")[0] === wanted),
          `${module}: ${wanted}`,
        ).toBe(true);
      }
    }
  });
});
