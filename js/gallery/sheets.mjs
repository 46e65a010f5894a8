/**
 * The pictures of `docs/gallery.md` and the page itself: `node gallery/sheets.mjs [state …]`, after
 * `npm run gallery`. A sheet holds all looks of a state.
 */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openGallery } from "./open.mjs";

const DOCS = "../docs";
const FOLDER = "pictures/gallery";
/** Of a sheet that is 2180 px wide: still wider than a page shows it. */
const SCALE = 0.6;
const QUALITY = 0.55;

/** Sections of the page, with how the names of their states begin; the longest beginning decides. */
const SECTIONS = [
  ["A task", [""]],
  ["A task that ended badly", ["failed"]],
  ["Files", ["files", "success", "search", "no-outputs", "stale-files", "loading-files", "waiting-files"]],
  ["Files looked into", ["preview"]],
  ["Downloads", ["download"]],
  ["Logs", ["logs"]],
  ["Machine", ["machine"]],
  ["Tasks as a table", ["table"]],
  ["Tasks at the side of JupyterLab", ["panel"]],
  ["Saved notebooks, and places without live views", ["saved", "static"]],
];

const wanted = process.argv.slice(2);
const pictures = join(DOCS, FOLDER);
await mkdir(pictures, { recursive: true });
const gallery = await openGallery(1);
for (const state of wanted.length > 0 ? wanted : gallery.names) {
  await gallery.show({ state });
  const png = await gallery.page.locator("main").screenshot();
  await writeFile(join(pictures, `${state}.webp`), await asWebp(png));
}
if (wanted.length === 0) {
  const known = new Set(gallery.names.map((name) => `${name}.webp`));
  for (const file of await readdir(pictures)) if (!known.has(file)) await rm(join(pictures, file));
}
await writeFile(join(DOCS, "gallery.md"), pageOf(gallery.names));
await gallery.close();

/** The browser packs pictures smaller than it takes them. */
async function asWebp(png) {
  const packed = await gallery.page.evaluate(
    async ([source, scale, quality]) => {
      const picture = new Image();
      picture.src = source;
      await picture.decode();
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(picture.naturalWidth * scale);
      canvas.height = Math.round(picture.naturalHeight * scale);
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(picture, 0, 0, canvas.width, canvas.height);
      return canvas.toDataURL("image/webp", quality);
    },
    [`data:image/png;base64,${png.toString("base64")}`, SCALE, QUALITY],
  );
  return Buffer.from(packed.slice(packed.indexOf(",") + 1), "base64");
}

function pageOf(names) {
  const parts = [
    "# Gallery",
    "",
    "Every state of the views, made from recorded messages (`tests/golden`): light above dark, at",
    "280, 700 and 1100 px; the panel at 280 and 400 px. `make gallery` makes the pictures and this page anew.",
  ];
  for (const [title] of SECTIONS) {
    parts.push("", `## ${title}`);
    for (const name of names.filter((one) => sectionOf(one) === title)) {
      parts.push("", `### ${name}`, "", `![${name}](${FOLDER}/${name}.webp)`);
    }
  }
  return `${parts.join("\n")}\n`;
}

function sectionOf(name) {
  const fitting = SECTIONS.flatMap(([title, begins]) =>
    begins.filter((begin) => name.startsWith(begin)).map((begin) => ({ title, length: begin.length })),
  );
  return fitting.sort((a, b) => b.length - a.length)[0].title;
}
