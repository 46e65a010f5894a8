/**
 * Builds the notebook module: `static/widget.js` and `static/widget.css`.
 * `--gallery`: builds the gallery page to `build/gallery` instead (a folder outside version control).
 */
import { copyFile, mkdir } from "node:fs/promises";
import { build } from "esbuild";

const gallery = process.argv.includes("--gallery");
// Browsers of 2023: older ones lack container queries or color-mix. Nested rules are unfolded for them.
const CSS_TARGET = ["chrome111", "firefox113", "safari16.4"];

const shared = {
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  logLevel: "warning",
};

if (gallery) {
  const out = process.env.GALLERY_DIR ?? "build/gallery";
  await mkdir(out, { recursive: true });
  await build({ ...shared, entryPoints: ["gallery/gallery.ts"], outdir: out, sourcemap: "inline" });
  await copyFile("gallery/index.html", `${out}/index.html`);
} else {
  const out = "../inductiva_widgets/static";
  await build({ ...shared, minify: true, entryPoints: ["src/widget.ts"], outfile: `${out}/widget.js` });
  await build({
    bundle: true,
    minify: true,
    target: CSS_TARGET,
    entryPoints: ["src/style.css"],
    outfile: `${out}/widget.css`,
    logLevel: "warning",
  });
}
