/**
 * A picture of each look of states: `node gallery/shoot.mjs FOLDER [state …]`, after `npm run gallery`.
 * WIDTHS and THEMES choose others than 280 and 700 px, light and dark; SCALE another size.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openGallery } from "./open.mjs";

const [folder, ...wanted] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node gallery/shoot.mjs FOLDER [state …]");
const width = process.env.WIDTHS ?? "280 700";
const theme = process.env.THEMES ?? "light dark";

await mkdir(folder, { recursive: true });
const gallery = await openGallery(Number(process.env.SCALE ?? 1.5));
for (const state of wanted.length > 0 ? wanted : gallery.names) {
  await gallery.show({ state, theme, width });
  for (const figure of await gallery.page.$$("figure")) {
    const { theme, width } = await figure.evaluate((element) => ({ ...element.dataset }));
    await figure.screenshot({ path: join(folder, `${state}-${width}-${theme}.png`) });
  }
}
await gallery.close();
