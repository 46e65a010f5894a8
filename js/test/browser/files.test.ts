import { describe, expect, test } from "vitest";
import downloadConflict from "../../../tests/golden/protocol/download-conflict.json";
import downloadFailed from "../../../tests/golden/protocol/download-failed.json";
import outputsCheck from "../../../tests/golden/protocol/outputs-check.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import outputsState from "../../../tests/golden/protocol/outputs-state.json";
import previewBinary from "../../../tests/golden/protocol/preview-binary.json";
import previewCsv from "../../../tests/golden/protocol/preview-csv.json";
import previewImage from "../../../tests/golden/protocol/preview-image.json";
import previewImageLarge from "../../../tests/golden/protocol/preview-image-large.json";
import previewJson from "../../../tests/golden/protocol/preview-json.json";
import previewSvg from "../../../tests/golden/protocol/preview-svg.json";
import previewText from "../../../tests/golden/protocol/preview-text.json";
import previewVtk from "../../../tests/golden/protocol/preview-vtk.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import { MonitorPage, standStill } from "./page";

let page: MonitorPage;

async function open(transcripts: readonly object[] = [], width = 700): Promise<void> {
  page = new MonitorPage([taskSuccess, outputsList, ...transcripts], { width });
  await expect.poll(() => page.rows.length).toBeGreaterThan(0);
}

const grid = () => page.find(".iw-grid");

standStill(() => page.close());

describe("tree", () => {
  test("the keyboard opens, closes, goes up and ticks folders", async () => {
    await open();
    expect(grid().getAttribute("role")).toBe("treegrid");
    grid().focus();
    await page.press("{ArrowDown}{ArrowRight}");
    await expect.poll(() => page.row(1).ariaExpanded).toBe("true");
    await page.press("{ArrowRight}{ArrowDown} ");
    await expect.poll(() => page.row(1).querySelector(".iw-ck")?.ariaChecked).toBe("mixed");
    expect(page.row(3).getAttribute("aria-level")).toBe("2");
    await page.press("{ArrowLeft}");
    await expect.poll(() => grid().getAttribute("aria-activedescendant")).toBe(page.row(1).id);
    await page.press(" ");
    await expect.poll(() => page.row(1).querySelector(".iw-ck")?.ariaChecked).toBe("true");
    expect(page.text(".iw-tools .opt")).toContain("9 of 206");
    await page.press("{ArrowLeft}");
    await expect.poll(() => page.row(1).ariaExpanded).toBe("false");
    await page.press("{Control>}i{/Control}");
    await expect.poll(() => page.text(".iw-tools .opt")).toContain("197 of 206");
  });

  test("L and T change the form, which the next view remembers", async () => {
    await open();
    const folders = page.rows.length;
    grid().focus();
    await page.press("l");
    await expect.poll(() => page.rows[0]).toBe("0/alpha.water");
    expect(grid().getAttribute("role")).toBe("grid");
    page.close();
    await open();
    expect(page.rows[0]).toBe("0/alpha.water");
    grid().focus();
    await page.press("t");
    await expect.poll(() => page.rows.length).toBe(folders);
  });

  test("a pattern finds across folders, and the hit is marked", async () => {
    await open();
    page.find("input").focus();
    await page.press("0.1*/*water");
    await expect.poll(() => page.text(".iw-tools .opt")).toMatch(/^\d+ found/);
    expect(page.find(".iw-name mark").textContent).toMatch(/water$/);
  });

  test("shift and a click take the rows between", async () => {
    await open();
    page.row(0).click();
    page.row(2).dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: true }));
    await expect.poll(() => page.text(".iw-tools .opt")).toContain("22 of 206");
  });

  test("at 280 px the menu sorts", async () => {
    await open([], 280);
    page.button("Sort and form").click();
    await expect.poll(() => page.has("[role=menuitemradio]")).toBe(true);
    page.button("Size").click();
    await expect.poll(() => page.rows[0]).not.toMatch(/^0 /);
    expect(page.connection.sent.filter(({ method }) => method === "outputs.list")).toHaveLength(1);
  });
});

describe("after a reload of the page", () => {
  /** Rows, with how far each is open and ticked. */
  const shown = () =>
    [...page.el.querySelectorAll<HTMLElement>(".iw-space > .iw-fr:not([hidden])")]
      .sort((a, b) => Number(a.dataset.row) - Number(b.dataset.row))
      .map((row) => [row.dataset.row, row.ariaExpanded, row.querySelector(".iw-ck")?.ariaChecked]);

  async function scrollTo(top: number): Promise<void> {
    const scrolled = new Promise((resolve) => grid().addEventListener("scroll", resolve, { once: true }));
    grid().scrollTop = top;
    await scrolled;
  }

  test("folders, ticks and the place in the list are as they were", async () => {
    await open();
    grid().focus();
    await page.press("{ArrowDown}{ArrowRight}{ArrowRight} {ArrowDown}{ArrowDown} ");
    await expect.poll(() => page.text(".iw-tools .opt")).toContain("4 of 206");
    await scrollTo(40);
    await expect.poll(() => page.row(1).ariaExpanded).toBe("true");
    const before = { rows: shown(), top: grid().scrollTop };
    window.dispatchEvent(new PageTransitionEvent("pagehide"));

    page.el.remove(); // gone without a word, as with the page
    await open();

    await expect.poll(() => ({ rows: shown(), top: grid().scrollTop })).toEqual(before);
    expect(before.top).toBe(40);
    expect(page.text(".iw-tools .opt")).toContain("4 of 206");
    await expect.poll(() => page.calls("outputs.select")).toMatchObject([{ count: 206 }]);
  });

  test("search and sort are as they were, and ticks of an archive that has changed are not", async () => {
    await open();
    page.find("input").focus();
    await page.press("water");
    await expect.poll(() => page.text(".iw-tools .opt")).toMatch(/found/);
    grid().focus();
    await page.press("{Control>}a{/Control}");
    page.button("Size").click();
    await expect.poll(() => page.has("[aria-sort=descending]")).toBe(true);
    const before = page.rows;
    page.close();

    const changed = structuredClone(outputsList);
    for (const { message } of changed.messages) {
      if (message.kind === "result") Object.assign(message.result ?? {}, { revision: "0f0f0f0f" });
    }
    page = new MonitorPage([taskSuccess, changed], {});
    await expect.poll(() => page.rows).toEqual(before);

    expect(page.find<HTMLInputElement>("input").value).toBe("water");
    expect(page.has("[aria-sort=descending]")).toBe(true);
    expect(page.text(".iw-tools .opt")).toContain("None of 206");
    expect(page.calls("outputs.select")).toEqual([]);
  });

  test("another tab of the view and back: the list is where it was", async () => {
    await open();
    grid().focus();
    await page.press("{ArrowDown}{ArrowRight}");
    await scrollTo(56);
    page.find("[data-tab=details]").click();
    await expect.poll(() => page.has(".iw-grid")).toBe(false);
    page.find("[data-tab=files]").click();
    await expect.poll(() => page.has(".iw-grid")).toBe(true);
    expect(grid().scrollTop).toBe(56);
  });
});

describe("local copies and downloads", () => {
  test("what is in the target folder already is shown", async () => {
    await open([outputsCheck]);
    grid().focus();
    await page.press("{ArrowRight}");
    await expect.poll(() => page.has(".iw-loc.warn")).toBe(true);
    expect(page.text(".iw-foot .iw-path")).toContain("results/inductiva_output");
  });

  test("a view opened in the middle of a download shows what was verified before", async () => {
    await open([outputsState]);
    await page.press("l");
    page.find("[aria-label=List]").click();
    await expect.poll(() => page.text('[data-row="2"] .iw-loc')).toBe("Verified");
    expect(page.text('[data-row="4"] .iw-loc')).toBe("40 %");
    expect(page.text(".iw-foot .say")).toContain("Downloading 8 files");
    page.button("Pause").click();
    await expect
      .poll(() => page.calls("outputs.pause"))
      .toEqual([{ download_id: "8c1f0a3b5d7e9f20", paused: true }]);
    page.connection.play();
    await expect.poll(() => page.hasButton("Resume")).toBe(true);
    expect(page.text('[data-row="3"] .iw-loc')).toBe("Verified");
  });

  test("files that differ: asked, and the answer is sent", async () => {
    await open([downloadConflict]);
    page.find("[aria-label=List]").click();
    for (const row of [2, 3, 4, 5, 6, 7, 8, 9]) page.row(row).click();
    await expect.poll(() => page.hasButton("Download 8 files")).toBe(true);
    page.button("Download 8 files").click();
    await expect.poll(() => page.calls("outputs.download")).toHaveLength(1);
    await expect.poll(() => page.text(".iw-foot .say")).toContain("Downloading");
    page.connection.play();
    await expect.poll(() => page.text(".iw-foot .say")).toContain("2 files in the folder differ");
    expect(page.has(".iw-ban")).toBe(false);
    page.button("Skip").click();
    await expect.poll(() => page.calls("outputs.download")[1]).toMatchObject({ overwrite: "skip" });
    const sent = page.connection.sent.filter(({ method }) => method === "outputs.download");
    expect(sent[1]?.buffers[0]?.byteLength).toBeGreaterThan(0);
  });

  test("after a failure only what is missing is fetched again", async () => {
    await open([downloadFailed]);
    page.find("[aria-label=List]").click();
    page.connection.play(1);
    page.row(2).click();
    await expect.poll(() => page.hasButton("Download 1 file")).toBe(true);
    page.button("Download 1 file").click();
    await expect.poll(() => page.text(".iw-foot .say")).toContain("Downloading");
    page.connection.play();
    await expect.poll(() => page.hasButton("Retry 5 files")).toBe(true);
  });

  test("another folder: the service's refusal stands beside the field", async () => {
    await open();
    page.button("Change").click();
    await expect.poll(() => document.activeElement?.ariaLabel).toBe("Download folder");
    await page.press("nowhere{Enter}");
    await expect.poll(() => page.has(".iw-foot [role=alert]")).toBe(true);
    expect(page.calls("outputs.check").at(-1)).toMatchObject({ folder: "nowhere" });
    await page.press("{Escape}");
    await expect.poll(() => page.hasButton("Change")).toBe(true);
  });

  test("as zip", async () => {
    await open();
    page.button("More ways to download").click();
    await expect.poll(() => page.hasButton("All as zip")).toBe(true);
    page.button("All as zip").click();
    await expect.poll(() => page.calls("outputs.download")).toMatchObject([{ uncompress: false }]);
  });
});

describe("preview", () => {
  /** Looks into the first file of the first folder, by keys alone. */
  async function look(transcript: object, width = 1100): Promise<void> {
    await open([transcript], width);
    grid().focus();
    await page.press("{ArrowRight}{ArrowDown}{Enter}");
    await expect.poll(() => page.has(".iw-preview")).toBe(true);
  }

  test("text: numbered lines, its end on demand", async () => {
    await look(previewText);
    await expect.poll(() => page.text(".iw-lines .no")).toMatch(/^1 2 3/);
    page.button("Show the end").click();
    await expect.poll(() => page.text(".iw-lines")).toMatch(/End$/);
    expect(page.has(".iw-lines .no")).toBe(false);
  });

  test("a table; hostile cells are text", async () => {
    await look(previewCsv);
    await expect.poll(() => page.el.querySelectorAll(".iw-csv th").length).toBe(4);
    expect(page.text(".iw-csv th")).toBe("Progress (%)");
    page.button("Text").click();
    await expect.poll(() => page.text(".iw-lines")).toContain("<img src=x onerror=alert(1)>");
    expect(page.has(".iw-preview img")).toBe(false);
  });

  test("JSON is text, as read", async () => {
    await look(previewJson);
    await expect.poll(() => page.text(".iw-lines")).toContain("12345678901234567890");
    expect(page.has(".iw-preview script")).toBe(false);
  });

  test("JSON folds by click and by keys, with one place to tab to", async () => {
    await look(previewJson);
    await expect.poll(() => page.has("[role=tree]")).toBe(true);
    const tree = page.find("[role=tree]");
    const whole = page.text("[role=tree]");
    page.find('[role=tree] [aria-expanded="true"][aria-level="2"]').click();
    await expect.poll(() => page.text('[role=tree] [aria-expanded="false"]')).toContain("[…],");
    expect(page.text('[role=tree] [aria-expanded="false"]')).toContain("2 values");
    tree.focus();
    await page.press("{ArrowRight}");
    await expect.poll(() => page.text("[role=tree]")).toBe(whole);
    await page.press("{Home}{ArrowLeft}");
    await expect.poll(() => page.text("[role=tree]")).toContain("{…}");
    expect(tree.querySelectorAll("[role=treeitem]").length).toBe(1);
    expect(tree.querySelectorAll("[tabindex], button").length).toBe(0);
    expect(document.getElementById(tree.getAttribute("aria-activedescendant") ?? "")).not.toBeNull();
  });

  test("points are drawn", async () => {
    await look(previewVtk);
    await expect.poll(() => page.text(".iw-pvfacts")).toContain("520, shown all");
    const canvas = page.find<HTMLCanvasElement>("canvas");
    await expect.poll(() => canvas.width).toBeGreaterThan(300);
    const { data } = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
    expect(data.some((value) => value > 0)).toBe(true);
  });

  test("a picture shows its size", async () => {
    await look(previewImage);
    await expect.poll(() => page.text(".iw-pvfacts")).toContain("160 × 100 pixels");
  });

  test("an SVG is an image: nothing in it runs", async () => {
    await look(previewSvg);
    await expect.poll(() => page.text(".iw-pvfacts")).toContain("40 × 20 pixels");
    expect(page.find<HTMLImageElement>(".iw-preview img").src).toMatch(/^blob:/);
    expect(page.has(".iw-preview rect, .iw-preview script")).toBe(false);
    expect((window as { hacked?: number }).hacked).toBeUndefined();
  });

  test("a picture beyond the limit: stated in words", async () => {
    await look(previewImageLarge);
    await expect.poll(() => page.text(".iw-preview")).toContain("up to 8.0 MB are shown");
  });

  test("bytes of other kinds", async () => {
    await look(previewBinary);
    await expect.poll(() => page.text(".iw-preview")).toContain("No preview for this kind of file");
  });

  test("in a narrow view it takes the place of the list, and Escape gives it back", async () => {
    await look(previewText, 480);
    expect(page.find(".iw-side-list").offsetParent).toBeNull();
    await expect.poll(() => document.activeElement).toBe(page.find(".iw-preview"));
    await page.press("{Escape}");
    await expect.poll(() => page.has(".iw-preview")).toBe(false);
    await expect.poll(() => document.activeElement === grid()).toBe(true);
  });

  test.each([280, 700, 1100])("the card keeps its height at %i px", async (width) => {
    await open([previewText], width);
    const { offsetHeight } = page.find(".iw-card");
    grid().focus();
    await page.press("{ArrowRight}{ArrowDown}{Enter}");
    await expect.poll(() => page.has(".iw-lines")).toBe(true);
    expect(page.find(".iw-card").offsetHeight).toBe(offsetHeight);
  });
});
