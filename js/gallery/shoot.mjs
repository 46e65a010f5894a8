/**
 * Pictures of the states, light and dark, wide and narrow: `node gallery/shoot.mjs FOLDER [state …]`,
 * after `npm run gallery`. WIDTHS and THEMES choose others, CHROMIUM another browser.
 */
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";
import { chromium } from "playwright";

const [folder, ...wanted] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node gallery/shoot.mjs FOLDER [state …]");
const pageDir = process.env.GALLERY_DIR ?? "build/gallery";
const widths = (process.env.WIDTHS ?? "280 700").split(" ");
const themes = (process.env.THEMES ?? "light dark").split(" ");
/** The recorded stamps are a few seconds old then. */
const now = new Date("2026-11-21T13:02:12Z");
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

const server = createServer(async ({ url }, response) => {
  const name = basename(new URL(url ?? "/", "http://localhost").pathname);
  response.setHeader("Content-Type", types[extname(name)] ?? "application/octet-stream");
  response.end(await readFile(join(pageDir, name)));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
const context = await browser.newContext({
  timezoneId: "Europe/Berlin",
  deviceScaleFactor: 1.5,
  reducedMotion: "reduce",
  viewport: { width: 1240, height: 1000 },
});
const page = await context.newPage();
page.on("pageerror", (error) => console.error(error));
await page.clock.install({ time: now });
await page.clock.resume();

await mkdir(folder, { recursive: true });
for (const theme of themes) {
  for (const width of widths) {
    const query = new URLSearchParams({ theme, width });
    if (wanted.length === 1) query.set("state", wanted[0]);
    await page.goto(`${origin}/index.html?${query}`);
    await page.waitForSelector("body[data-ready]", { timeout: 60_000 });
    for (const figure of await page.$$("figure")) {
      const name = (await figure.getAttribute("id")) ?? "";
      if (wanted.length === 0 || wanted.includes(name)) {
        await figure.screenshot({ path: join(folder, `${name}-${width}-${theme}.png`) });
      }
    }
  }
}
await browser.close();
server.close();
