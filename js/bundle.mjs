/**
 * The bundles of notebooks: for each kind of widget one that paints first, and one with its parts, which
 * is loaded when that is done. A module is in one of the two only: parts are a function that takes the
 * modules of the first bundle, so that there is one Preact, and one of each store. Each has its style in it.
 */
import { readFile } from "node:fs/promises";
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

// Browsers of 2023: older ones lack container queries or color-mix. Nested rules are unfolded for them.
const CSS_TARGET = ["chrome111", "firefox113", "safari16.4"];

/** Subjects of `style.css`: what has the last word, what comes with the parts, what a kind never shows. */
const LAST = ["widths", "preferences"];
const WITH_PARTS = {
  monitor: ["keys", "details", "live", "preview", "download", "folder", "logs", "machine", "contrast"],
  table: [
    ...["head", "keys", "phases", "tabs", "details", "files", "live", "preview"],
    ...["download", "folder", "logs", "machine", "compare", "contrast"],
  ],
};
const NEVER = { monitor: ["panel", "table", "compare", "lab", "fill"], table: ["lab", "fill"] };

/** The two bundles of a kind of widget (`monitor`, `table`): of each its text, and the names of its modules. */
export async function bundlesOf(kind) {
  const entry = `src/notebook/${kind}-widget.ts`;
  const { modules } = await bundle(entry, {});
  const apart = await bundle(`src/parts/${kind}-parts.ts`, { plugins: [leaveOut(new Set(modules))] });
  const { text, taken } = asFunction(apart.text);
  const style = await stylesOf(kind);
  const withStyle = `export const style = ${JSON.stringify(style.parts)};\n${text}`;
  const { code } = await transform(withStyle, { minify: true, target: OPTIONS.target, format: "esm" });
  const first = await bundle(entry, { minify: true, plugins: [give(taken, style)] });
  return { first, parts: { text: code, modules: apart.modules }, style };
}

/** The module that every widget brings. */
export async function loader() {
  const { text } = await bundle("src/notebook/loader.ts", { minify: true });
  return text;
}

/** The whole style, for hosts that put it where their views are. */
export function wholeStyle() {
  return styleOf(() => true);
}

async function stylesOf(kind) {
  const [parts, never] = [WITH_PARTS[kind], NEVER[kind]];
  const apart = [...parts, ...never, ...LAST];
  return {
    first: await styleOf((subject) => !apart.includes(subject)),
    parts: await styleOf((subject) => parts.includes(subject)),
    last: await styleOf((subject) => LAST.includes(subject)),
  };
}

/** The subjects of `style.css` that are wanted, in their order. */
async function styleOf(isWanted) {
  const text = await readFile(`${ROOT}/src/style.css`, "utf8");
  const contents = text.replaceAll(/^@import "\.\/styles\/(\w+)\.css";$/gm, (line, subject) =>
    isWanted(subject) ? line : "",
  );
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: `${ROOT}/src`, loader: "css" },
    bundle: true,
    minify: true,
    write: false,
    target: CSS_TARGET,
    logLevel: "warning",
  });
  return outputFiles[0].text;
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

/** Fills `shared-modules.ts` with what the parts take, and with the style of the first paint. */
function give(taken, { first, last }) {
  const entries = [...taken].map(([module, names], at) => {
    const pairs = [...names].map((name) => [name, `m${at}_${name}`]);
    return {
      statement: `import { ${pairs.map((pair) => pair.join(" as ")).join(", ")} } from "./${module}";`,
      member: `"${module}": { ${pairs.map((pair) => pair.join(": ")).join(", ")} }`,
    };
  });
  const contents = `${entries.map(({ statement }) => statement).join("\n")}
    export const modules = { ${entries.map(({ member }) => member).join(", ")} };
    export const STYLE = ${JSON.stringify({ first, last })};`;
  return {
    name: "give",
    setup({ onLoad }) {
      onLoad({ filter: /shared-modules\.ts$/ }, () => ({ contents, resolveDir: ROOT, loader: "ts" }));
    },
  };
}
