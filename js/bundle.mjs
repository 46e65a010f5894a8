/**
 * The bundles of notebooks: for each kind of widget one that paints first, and one with its parts, which
 * is loaded when that is done. A module is in one of the two only: parts are a function that takes the
 * modules of the first bundle, so that there is one Preact, and one of each store.
 */
import { createHash } from "node:crypto";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const ROOT = dirname(fileURLToPath(import.meta.url));

export const OPTIONS = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  logLevel: "warning",
};

/** The two bundles of a kind of widget (`monitor`, `table`): of each its text, and the names of its modules. */
export async function bundlesOf(kind) {
  const entry = `src/${kind}-widget.ts`;
  const { modules } = await bundle(entry, {});
  const apart = await bundle(`src/${kind}-parts.ts`, { plugins: [leaveOut(new Set(modules))] });
  const { text, taken } = asFunction(apart.text);
  const { code } = await transform(text, { minify: true, target: OPTIONS.target, format: "esm" });
  const first = await bundle(entry, { minify: true, plugins: [give(taken, nameOf(code))] });
  return { first, parts: { text: code, modules: apart.modules } };
}

async function bundle(entry, options) {
  const { outputFiles, metafile } = await build({
    ...OPTIONS,
    ...options,
    entryPoints: [entry],
    metafile: true,
    write: false,
  });
  const [{ inputs }] = Object.values(metafile.outputs);
  return {
    text: outputFiles[0].text,
    modules: Object.keys(inputs).filter((name) => inputs[name].bytesInOutput > 0),
  };
}

/** Imports of these modules stay imports, by their names. */
function leaveOut(modules) {
  const name = "leave-out";
  return {
    name,
    setup({ onResolve, resolve }) {
      onResolve({ filter: /./ }, async ({ path, pluginData, ...rest }) => {
        if (pluginData === name || rest.kind === "entry-point") return undefined;
        const found = await resolve(path, { ...rest, pluginData: name });
        const module = relative(ROOT, found.path);
        return modules.has(module) ? { path: module, external: true } : found;
      });
    },
  };
}

const IMPORT = /^import \{([^}]*)\} from "([^"]*)";$/gm;
const EXPORT = /^export (\{[^}]*\});$/m;

/** A module as a function of what it imports, and what it takes: names by module. */
function asFunction(esm) {
  const taken = new Map();
  const body = esm
    .replace(IMPORT, (_, list, module) => {
      const names = list.split(",").map((one) => one.trim().split(" as "));
      taken.set(module, new Set([...(taken.get(module) ?? []), ...names.map(([name]) => name)]));
      return `const {${names.map((pair) => pair.join(": ")).join(", ")}} = modules["${module}"];`;
    })
    .replace(EXPORT, (_, list) => `return ${list.replaceAll(/(\w+) as (\w+)/g, "$2: $1")};`);
  if (/^(import|export)\b/m.test(body)) throw new Error("esbuild wrote an import or export of another form.");
  return { text: `export default function (modules) {\n${body}}`, taken };
}

/** Fills `shared-modules.ts` with what the parts take. */
function give(taken, partsName) {
  const entries = [...taken].map(([module, names], at) => {
    const pairs = [...names].map((name) => [name, `m${at}_${name}`]);
    return {
      statement: `import { ${pairs.map((pair) => pair.join(" as ")).join(", ")} } from "./${module}";`,
      member: `"${module}": { ${pairs.map((pair) => pair.join(": ")).join(", ")} }`,
    };
  });
  const contents = `${entries.map(({ statement }) => statement).join("\n")}
    export const modules = { ${entries.map(({ member }) => member).join(", ")} };
    export const PARTS_NAME = "${partsName}";`;
  return {
    name: "give",
    setup({ onLoad }) {
      onLoad({ filter: /shared-modules\.ts$/ }, () => ({ contents, resolveDir: ROOT, loader: "ts" }));
    },
  };
}

function nameOf(text) {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
