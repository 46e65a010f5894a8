/**
 * Builds the notebook modules: `static/loader.js`, `static/monitor.js.gz` and `static/table.js.gz` with their
 * parts, packed as kernels send them, and `static/widget.css`.
 * `--gallery`: builds the gallery page to `build/gallery` instead (a folder outside version control).
 */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { bundlesOf, loader, OPTIONS, wholeStyle } from "./bundle.mjs";

const gallery = process.argv.includes("--gallery");

if (gallery) {
  const out = process.env.GALLERY_DIR ?? "build/gallery";
  await mkdir(out, { recursive: true });
  await build({ ...OPTIONS, entryPoints: ["gallery/gallery.ts"], outdir: out, sourcemap: "inline" });
  await copyFile("gallery/index.html", `${out}/index.html`);
} else {
  const out = "../inductiva_widgets/static";
  await mkdir(out, { recursive: true });
  await writeFile(`${out}/loader.js`, await loader());
  for (const kind of ["monitor", "table"]) {
    const { first, parts } = await bundlesOf(kind);
    await writeFile(`${out}/${kind}.js.gz`, packed(first.text));
    await writeFile(`${out}/${kind}-parts.js.gz`, packed(parts.text));
  }
  await writeFile(`${out}/widget.css`, await wholeStyle());
}

function packed(text) {
  return gzipSync(text, { level: 9 });
}
