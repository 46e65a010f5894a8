import { countOf, sizeParts } from "../format";
import { type IconName, iconElement } from "../icons";
import { FileState } from "../protocol";
import type { Column, FileModel } from "./file-model";

export interface FileTableOptions {
  /** The user changed the model: order, or what is ticked. */
  onChange(selection: boolean): void;
}

/** Rows kept ready above and below the visible ones, so that a quick scroll shows no gap. */
const OVERSCAN = 6;
const HEAD_HEIGHT = 28;

const COLUMNS: readonly { column: Column; label: string; className: string }[] = [
  { column: "name", label: "Name", className: "" },
  { column: "size", label: "Size", className: "sz" },
  { column: "packed", label: "Packed", className: "sz pk" },
];

let tables = 0;

/**
 * The grid of output files: a window of pooled rows over a `FileModel`. Without a framework,
 * because scrolling repaints every row of the window within one frame.
 */
export class FileTable {
  readonly element: HTMLElement;
  readonly #options: FileTableOptions;
  readonly #space: HTMLElement;
  readonly #headBox: HTMLElement;
  readonly #heads = new Map<Column, HTMLElement>();
  readonly #pool: Row[] = [];
  readonly #resize: ResizeObserver;
  readonly #idPrefix: string;
  #model: FileModel | null = null;
  #rowHeight = 28;
  /** Row under the keyboard. */
  #current = 0;
  /** Where an extended selection began. */
  #anchor = 0;
  #frame = 0;

  constructor(options: FileTableOptions) {
    this.#options = options;
    tables += 1;
    this.#idPrefix = `iw-files-${tables}-`;
    this.element = make("div", "iw-grid", { role: "grid", tabindex: "0", "aria-label": "Output files" });
    this.element.setAttribute("aria-multiselectable", "true");
    this.#headBox = make("span", "iw-ck", {
      role: "checkbox",
      tabindex: "0",
      "aria-label": "Select all found",
    });
    this.#space = make("div", "iw-space", { role: "rowgroup" });
    this.element.append(this.#makeHead(), this.#space);
    this.element.addEventListener("scroll", this.#onScroll, { passive: true });
    this.element.addEventListener("keydown", this.#onKey);
    this.element.addEventListener("pointerdown", () => this.element.classList.remove("keys"));
    this.#space.addEventListener("click", this.#onClick);
    this.#resize = new ResizeObserver(() => this.#layout());
    this.#resize.observe(this.element);
  }

  dispose(): void {
    this.#resize.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  show(model: FileModel): void {
    if (model !== this.#model) {
      this.#model = model;
      this.#current = 0;
      this.#anchor = 0;
    }
    this.update();
  }

  /** Paints what changed in the model, in place. */
  update(): void {
    const model = this.#model;
    if (model === null) return;
    const { rowCount } = model;
    this.#current = Math.min(this.#current, Math.max(0, rowCount - 1));
    this.element.setAttribute("aria-rowcount", String(rowCount + 1));
    this.element.style.setProperty("--rows", String(rowCount));
    const found = model.foundSelected();
    this.#headBox.setAttribute("aria-checked", found === "some" ? "mixed" : String(found === "all"));
    for (const [column, head] of this.#heads) {
      const sorted = model.column === column;
      head.setAttribute("aria-sort", sorted ? (model.descending ? "descending" : "ascending") : "none");
      const button = head.firstElementChild as HTMLElement;
      button.classList.toggle("on", sorted);
      button.lastElementChild?.replaceWith(iconElement(model.descending ? "down" : "up", "s"));
    }
    this.#layout();
  }

  focus(): void {
    this.element.focus({ preventScroll: true });
    this.element.classList.add("keys");
    this.#reveal(this.#current);
  }

  /** Search found other rows: begin at their top. */
  toTop(): void {
    this.element.scrollTop = 0;
    this.#current = 0;
    this.#anchor = 0;
  }

  // ---- painting ----

  #makeHead(): HTMLElement {
    const head = make("div", "iw-fr head", { role: "row", "aria-rowindex": "1" });
    const boxCell = make("div", "bx", { role: "columnheader", "aria-label": "Selected" });
    boxCell.append(this.#headBox);
    const toggle = (event: Event) => {
      event.preventDefault();
      event.stopPropagation();
      this.#model?.selectFound(this.#model.foundSelected() !== "all");
      this.#changed(true);
    };
    boxCell.addEventListener("click", toggle);
    this.#headBox.addEventListener("keydown", (event) => {
      if (event.key === " " || event.key === "Enter") toggle(event);
    });
    head.append(boxCell);
    for (const { column, label, className } of COLUMNS) {
      const cell = make("div", className, { role: "columnheader" });
      const button = make("button", "iw-sort", { type: "button" });
      button.append(label, iconElement("up", "s"));
      button.addEventListener("click", () => this.#sortBy(column));
      cell.append(button);
      this.#heads.set(column, cell);
      head.append(cell);
    }
    const local = make("div", "lc", { role: "columnheader" });
    local.textContent = "Local copy";
    head.append(local);
    return head;
  }

  #layout(): void {
    if (this.#model === null) return;
    // The row height is the style sheet's: narrow views have rows of two lines.
    const height = Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--iw-row"));
    if (height > 0) this.#rowHeight = height;
    this.#space.style.height = `${this.#model.rowCount * this.#rowHeight}px`;
    this.#paint();
  }

  readonly #onScroll = (): void => {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#paint());
  };

  #paint(): void {
    const model = this.#model;
    if (model === null) return;
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.#rowHeight) - OVERSCAN);
    const visible = Math.ceil(this.element.clientHeight / this.#rowHeight) + 2 * OVERSCAN;
    const count = Math.max(0, Math.min(visible, model.rowCount - first));
    while (this.#pool.length < count) {
      const row = new Row(this.#idPrefix + this.#pool.length);
      this.#pool.push(row);
      this.#space.append(row.element);
    }
    for (const [i, row] of this.#pool.entries()) {
      // Each line keeps its element while it stays in the window: less to repaint, and hover does not flicker.
      const line = first + ((((i - first) % this.#pool.length) + this.#pool.length) % this.#pool.length);
      if (line < first + count) row.paint(model, line, this.#rowHeight, line === this.#current);
      else row.hide();
      if (line === this.#current && line < first + count)
        this.element.setAttribute("aria-activedescendant", row.element.id);
    }
  }

  #reveal(row: number): void {
    const head = this.#headHeight();
    const top = row * this.#rowHeight;
    const room = this.element.clientHeight - head;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + this.#rowHeight > this.element.scrollTop + room) {
      this.element.scrollTop = top + this.#rowHeight - room;
    }
    this.#paint();
  }

  #headHeight(): number {
    return this.element.firstElementChild?.clientHeight === 0 ? 0 : HEAD_HEIGHT;
  }

  // ---- the user's hand ----

  #sortBy(column: Column): void {
    const model = this.#model;
    if (model === null) return;
    // Large files are looked for more often than small ones, names from A.
    const first = column !== "name";
    model.sortBy(column, model.column === column ? !model.descending : first);
    this.toTop();
    this.#changed(false);
  }

  #changed(selection: boolean): void {
    this.update();
    this.#options.onChange(selection);
  }

  readonly #onClick = (event: MouseEvent): void => {
    const model = this.#model;
    const element = (event.target as Element).closest<HTMLElement>(".iw-fr");
    if (model === null || element === null) return;
    const row = Number(element.dataset.row);
    const on = !model.isSelected(model.fileAt(row));
    if (event.shiftKey) model.selectRows(this.#anchor, row, true);
    else {
      model.select(model.fileAt(row), on);
      this.#anchor = row;
    }
    this.#current = row;
    this.#changed(true);
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    const model = this.#model;
    if (model === null || event.target !== this.element || model.rowCount === 0) return;
    this.element.classList.add("keys");
    if ((event.ctrlKey || event.metaKey) && !event.altKey) {
      if (event.key === "a") model.selectFound(true);
      else if (event.key === "i") model.invertFound();
      else return;
      event.preventDefault();
      event.stopPropagation();
      this.#changed(true);
      return;
    }
    if (event.key === " ") {
      model.select(model.fileAt(this.#current), !model.isSelected(model.fileAt(this.#current)));
      this.#anchor = this.#current;
      event.preventDefault();
      this.#changed(true);
      return;
    }
    const target = this.#targetOf(event.key);
    if (target === null) return;
    event.preventDefault();
    this.#current = Math.max(0, Math.min(model.rowCount - 1, target));
    if (event.shiftKey) {
      model.selectRows(this.#anchor, this.#current, true);
      this.#changed(true);
    } else {
      this.#anchor = this.#current;
    }
    this.#reveal(this.#current);
  };

  #targetOf(key: string): number | null {
    const page = Math.max(
      1,
      Math.floor((this.element.clientHeight - this.#headHeight()) / this.#rowHeight) - 1,
    );
    switch (key) {
      case "ArrowDown":
        return this.#current + 1;
      case "ArrowUp":
        return this.#current - 1;
      case "PageDown":
        return this.#current + page;
      case "PageUp":
        return this.#current - page;
      case "Home":
        return 0;
      case "End":
        return Number.POSITIVE_INFINITY;
      default:
        return null;
    }
  }
}

interface LocalCopy {
  word: string;
  tone: string;
  icon: IconName | null;
}

const LOCAL_COPY: Record<FileState, LocalCopy> = {
  [FileState.None]: { word: "–", tone: "none", icon: null },
  [FileState.Waiting]: { word: "Waiting", tone: "", icon: "wait" },
  [FileState.Fetching]: { word: "Fetching", tone: "run", icon: "run" },
  [FileState.Verified]: { word: "Verified", tone: "ok", icon: "check" },
  [FileState.Skipped]: { word: "Already there", tone: "ok", icon: "check" },
  [FileState.Failed]: { word: "Failed", tone: "err", icon: "close" },
};

/** One pooled row: the elements that change, and what they show now. */
class Row {
  readonly element: HTMLElement;
  readonly #box: HTMLElement;
  readonly #name: HTMLElement;
  readonly #folder = make("span", "iw-cut dir");
  readonly #slash = make("span", "dir");
  readonly #base = make("span", "iw-cut base");
  readonly #size: SizeCell;
  readonly #packed: SizeCell;
  readonly #local: HTMLElement;
  #file = -1;
  #model: FileModel | null = null;
  #state: FileState | null = null;
  #top = -1;

  constructor(id: string) {
    this.element = make("div", "iw-fr", { role: "row", id });
    this.#box = make("span", "iw-ck", { role: "checkbox" });
    const boxCell = make("div", "bx", { role: "gridcell" });
    boxCell.append(this.#box);
    const nameCell = make("div", "nm", { role: "gridcell" });
    this.#name = make("span", "iw-name");
    this.#name.append(this.#folder, this.#slash, this.#base);
    nameCell.append(iconElement("file", "s"), this.#name);
    this.#size = new SizeCell("sz");
    this.#packed = new SizeCell("sz pk");
    const localCell = make("div", "lc", { role: "gridcell" });
    this.#local = make("div", "iw-loc");
    localCell.append(this.#local);
    this.element.append(boxCell, nameCell, this.#size.element, this.#packed.element, localCell);
  }

  hide(): void {
    this.element.hidden = true;
  }

  paint(model: FileModel, row: number, height: number, current: boolean): void {
    const file = model.fileAt(row);
    this.element.hidden = false;
    if (this.#top !== row * height) {
      this.#top = row * height;
      this.element.style.transform = `translateY(${this.#top}px)`;
      this.element.dataset.row = String(row);
      this.element.setAttribute("aria-rowindex", String(row + 2));
    }
    if (file !== this.#file || model !== this.#model) this.#paintFile(model, file);
    const selected = model.isSelected(file);
    this.element.classList.toggle("sel", selected);
    this.element.classList.toggle("cur", current);
    this.element.setAttribute("aria-selected", String(selected));
    this.#box.setAttribute("aria-checked", String(selected));
    const state = (model.states[file] ?? FileState.None) as FileState;
    if (state !== this.#state) this.#paintState(state);
    if (state === FileState.Failed) this.#local.title = model.reasons.get(file) ?? "";
  }

  #paintFile(model: FileModel, file: number): void {
    this.#file = file;
    this.#model = model;
    const name = model.name(file);
    // In parts, so that a long path loses the middle and keeps the file's own name.
    const cut = name.lastIndexOf("/");
    this.#folder.textContent = name.slice(0, Math.max(0, cut));
    this.#slash.textContent = cut < 0 ? "" : "/";
    this.#base.textContent = name.slice(cut + 1);
    this.#name.title = name;
    this.#box.setAttribute("aria-label", `Select ${name}`);
    this.#size.paint(model.size(file));
    this.#packed.paint(model.packed(file));
  }

  #paintState(state: FileState): void {
    this.#state = state;
    const { word, tone, icon } = LOCAL_COPY[state] ?? LOCAL_COPY[FileState.None];
    this.#local.className = `iw-loc ${tone}`;
    this.#local.removeAttribute("title");
    if (tone === "none") this.#local.setAttribute("aria-label", "not downloaded");
    else this.#local.removeAttribute("aria-label");
    this.#local.replaceChildren(
      ...(icon === null ? [] : [iconElement(icon, tone === "run" ? "s iw-turn" : "s")]),
      word,
    );
  }
}

/** A size with its unit in a slot of its own, so that numbers stand under numbers. */
class SizeCell {
  readonly element: HTMLElement;
  readonly #value = document.createTextNode("");
  readonly #unit = make("span", "iw-u");

  constructor(className: string) {
    this.element = make("div", className, { role: "gridcell" });
    this.element.append(this.#value, this.#unit);
  }

  paint(bytes: number): void {
    const [value, unit] = sizeParts(bytes);
    this.#value.data = value;
    this.#unit.textContent = unit;
    this.element.title = countOf(bytes, "byte");
  }
}

function make(tag: string, className: string, attributes: Record<string, string> = {}): HTMLElement {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
