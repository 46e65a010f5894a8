import { iconElement } from "../icons";
import type { Column, FileModel } from "./file-model";
import { make, Row } from "./file-row";

export interface FileTableOptions {
  /** The user changed the model: order, folders, or what is ticked. */
  onChange(selection: boolean): void;
  /** The user wants to look into a file. */
  onOpen?(file: number): void;
}

/** Rows kept ready above and below the visible ones, so that a scroll shows no gap. */
const OVERSCAN = 6;
const HEAD_HEIGHT = 28;
const SETTLED_MS = 100;
/** No screen is higher; a host that gives the list all the height it asks for must not get all rows. */
const HIGHEST_PX = 4000;
/**
 * No taller box for the rows: Firefox draws none above 17.9 million px, Chromium and Safari above 33.5
 * million, and a million rows of two lines would be 40 million. What is more is scrolled in longer steps.
 */
const TALLEST_PX = 15_000_000;

export const COLUMNS: readonly { column: Column; label: string; className: string }[] = [
  { column: "name", label: "Name", className: "" },
  { column: "size", label: "Size", className: "sz" },
  { column: "packed", label: "Packed", className: "sz pk" },
  { column: "local", label: "Local copy", className: "lc" },
];

let tables = 0;

/**
 * The grid or tree of output files: a window of pooled rows over a `FileModel`. Without a framework,
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
  #paintedTop = 0;
  #settling: ReturnType<typeof setTimeout> | undefined;
  /** How far the rows move for each pixel that is scrolled. */
  #stretch = 1;
  /** Row under the keyboard. */
  #current = 0;
  /** Where an extended selection began. */
  #anchor = 0;
  /** File that is looked into. */
  #shown: number | null = null;
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
    clearTimeout(this.#settling);
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
    this.element.setAttribute("role", model.form === "tree" ? "treegrid" : "grid");
    this.element.classList.toggle("tree", model.form === "tree");
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

  /** Marks the file that is looked into, and goes to it. */
  mark(file: number | null): void {
    this.#shown = file;
    const row = file === null || this.#model === null ? -1 : this.#model.rowOf(file);
    if (row >= 0) this.#current = row;
    this.#paint();
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
    return head;
  }

  #layout(): void {
    if (this.#model === null) return;
    // The row height is the style sheet's: narrow views have rows of two lines.
    const height = Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--iw-row"));
    if (height > 0) this.#rowHeight = height;
    const whole = this.#model.rowCount * this.#rowHeight;
    const tall = Math.min(whole, TALLEST_PX);
    this.#space.style.height = `${tall}px`;
    // So that the end of the scroll bar is the end of the rows.
    const room = this.#room();
    this.#stretch = whole === tall ? 1 : (whole - room) / (tall - room);
    this.#paint();
  }

  readonly #onScroll = (): void => {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      // After a leap every row is another one: then those in sight first, the others when leaping has ended.
      const isLeap = Math.abs(this.element.scrollTop - this.#paintedTop) > this.element.clientHeight;
      this.#paint(isLeap ? 1 : OVERSCAN);
      clearTimeout(this.#settling);
      if (isLeap) this.#settling = setTimeout(() => this.#paint(), SETTLED_MS);
    });
  };

  /** `spare`: rows painted on each side beyond those in sight. */
  #paint(spare = OVERSCAN): void {
    const model = this.#model;
    if (model === null) return;
    const { scrollTop } = this.element;
    this.#paintedTop = scrollTop;
    const offset = scrollTop * this.#stretch;
    const lifted = Math.round(offset - scrollTop);
    const first = Math.max(0, Math.floor(offset / this.#rowHeight) - spare);
    const height = Math.min(this.element.clientHeight, HIGHEST_PX);
    const visible = Math.ceil(height / this.#rowHeight) + 2 * spare;
    const count = Math.max(0, Math.min(visible, model.rowCount - first));
    while (this.#pool.length < count) {
      const row = new Row(this.#idPrefix + this.#pool.length);
      this.#pool.push(row);
      this.#space.append(row.element);
    }
    for (const [i, row] of this.#pool.entries()) {
      // Each line keeps its element while it stays in the window: less to repaint, and hover does not flicker.
      const line = first + ((((i - first) % this.#pool.length) + this.#pool.length) % this.#pool.length);
      if (line < first + count) {
        const isShown = this.#shown !== null && model.itemAt(line) === this.#shown;
        row.paint(model, line, line * this.#rowHeight - lifted, line === this.#current, isShown);
      } else if (spare === OVERSCAN) row.hide();
      if (line === this.#current && line < first + count)
        this.element.setAttribute("aria-activedescendant", row.element.id);
    }
  }

  #reveal(row: number): void {
    const top = row * this.#rowHeight;
    const lowest = top + this.#rowHeight - this.#room();
    const offset = this.element.scrollTop * this.#stretch;
    if (top < offset) this.element.scrollTop = top / this.#stretch;
    else if (lowest > offset) this.element.scrollTop = lowest / this.#stretch;
    this.#paint();
  }

  /** Height that is left for rows. */
  #room(): number {
    const hasHead = this.element.firstElementChild?.clientHeight !== 0;
    return this.element.clientHeight - (hasHead ? HEAD_HEIGHT : 0);
  }

  // ---- user actions ----

  #sortBy(column: Column): void {
    const model = this.#model;
    if (model === null) return;
    model.sortBy(column, model.column === column ? !model.descending : descendsFirst(column));
    this.toTop();
    this.#changed(false);
  }

  #changed(selection: boolean): void {
    this.update();
    this.#options.onChange(selection);
  }

  #setOpen(folder: number, open: boolean): void {
    this.#model?.setOpen(folder, open);
    this.#anchor = this.#current;
    this.#changed(false);
    this.#reveal(this.#current);
  }

  /** Into a file, or a folder opened or closed. */
  #enter(item: number): void {
    if (item >= 0) this.#options.onOpen?.(item);
    else this.#setOpen(~item, this.#model?.isOpen(~item) === false);
  }

  readonly #onClick = (event: MouseEvent): void => {
    const model = this.#model;
    const target = event.target as Element;
    const element = target.closest<HTMLElement>(".iw-fr");
    if (model === null || element === null) return;
    const row = Number(element.dataset.row);
    const item = model.itemAt(row);
    this.#current = row;
    if (event.shiftKey) model.selectRows(this.#anchor, row, true);
    else if (target.closest(".iw-name, .tw, .ic") !== null) {
      this.#anchor = row;
      this.#enter(item);
      this.#paint();
      return;
    } else {
      model.selectItem(item, model.ticked(item) !== "all");
      this.#anchor = row;
    }
    this.#changed(true);
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    const model = this.#model;
    if (model === null || event.target !== this.element || model.rowCount === 0) return;
    this.element.classList.add("keys");
    const isHandled =
      event.ctrlKey || event.metaKey
        ? !event.altKey && this.#onCommand(event.key)
        : this.#onAct(event.key) || this.#onMove(event.key, event.shiftKey);
    if (!isHandled) return;
    event.preventDefault();
    // Hosts have Ctrl+A, Enter and the arrows too.
    event.stopPropagation();
  };

  #onCommand(key: string): boolean {
    if (key === "a") this.#model?.selectFound(true);
    else if (key === "i") this.#model?.invertFound();
    else return false;
    this.#changed(true);
    return true;
  }

  #onAct(key: string): boolean {
    const model = this.#model;
    if (model === null) return false;
    const item = model.itemAt(this.#current);
    switch (key) {
      case " ":
        model.selectItem(item, model.ticked(item) !== "all");
        this.#anchor = this.#current;
        this.#changed(true);
        return true;
      case "Enter":
        this.#enter(item);
        return true;
      case "ArrowRight":
        if (model.form === "list") return false;
        if (item < 0 && !model.isOpen(~item)) this.#setOpen(~item, true);
        else if (item < 0) this.#go(this.#current + 1);
        return true;
      case "ArrowLeft":
        if (model.form === "list") return false;
        this.#leave(item);
        return true;
      default:
        return false;
    }
  }

  /** Closes a folder, or goes to the one above. */
  #leave(item: number): void {
    const model = this.#model;
    if (model === null) return;
    if (item < 0 && model.isOpen(~item)) this.#setOpen(~item, false);
    else {
      const parent = model.parentOf(item);
      if (parent !== null) this.#go(model.rowOf(parent));
    }
  }

  #onMove(key: string, isExtending: boolean): boolean {
    const target = this.#targetOf(key);
    if (target === null) return false;
    if (!isExtending) {
      this.#go(target);
      return true;
    }
    this.#current = this.#within(target);
    this.#model?.selectRows(this.#anchor, this.#current, true);
    this.#changed(true);
    this.#reveal(this.#current);
    return true;
  }

  #go(row: number): void {
    this.#current = this.#within(row);
    this.#anchor = this.#current;
    this.#reveal(this.#current);
  }

  #within(row: number): number {
    return Math.max(0, Math.min((this.#model?.rowCount ?? 1) - 1, row));
  }

  #targetOf(key: string): number | null {
    const page = Math.max(1, Math.floor(this.#room() / this.#rowHeight) - 1);
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

/** Large files are looked for more often than small ones, names from A, troubles before the rest. */
export function descendsFirst(column: Column): boolean {
  return column === "size" || column === "packed";
}
