/** The gallery in a browser, after `npm run gallery`. CHROMIUM and GALLERY_DIR choose others. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";
import { chromium } from "playwright";

/** The recorded stamps are a few seconds old then. */
const NOW = new Date("2026-11-21T13:02:12Z");
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
const TIMEOUT_MS = 120_000;

/**
 * Opens it at a scale; `close` ends all. `show({ state, theme, width })` waits until the state stands, and
 * fails when something in it did; the last two are all when not given. `names` are all states.
 */
export async function openGallery(scale) {
  const server = await serve(process.env.GALLERY_DIR ?? "build/gallery");
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });
  const context = await browser.newContext({
    timezoneId: "Europe/Berlin",
    deviceScaleFactor: scale,
    reducedMotion: "reduce",
    // As large as the largest sheet: what is not on screen does not load.
    viewport: { width: 2240, height: 2400 },
  });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  await page.clock.install({ time: NOW });
  await page.clock.resume();
  const show = async (query = {}) => {
    errors.length = 0;
    await page.goto(`http://127.0.0.1:${server.address().port}/index.html?${new URLSearchParams(query)}`);
    await page.waitForSelector("body[data-ready]", { timeout: TIMEOUT_MS });
    // Of all looks on a page only one can have the focus: none has it.
    await page.evaluate(() => document.activeElement?.blur());
    if (errors.length > 0) throw new Error(`the state ${query.state} failed`, { cause: errors[0] });
  };
  await show();
  const names = await page.locator("main > a").allTextContents();
  const close = async () => {
    await browser.close();
    server.close();
  };
  return { page, names, show, close };
}

async function serve(folder) {
  const server = createServer(async ({ url }, response) => {
    const name = basename(new URL(url ?? "/", "http://localhost").pathname);
    response.setHeader("Content-Type", TYPES[extname(name)] ?? "application/octet-stream");
    response.end(await readFile(join(folder, name)));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
