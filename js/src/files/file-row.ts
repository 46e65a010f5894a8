import { countOf, formatCount, sizeParts } from "../format";
import { type IconName, iconElement } from "../icons";
import { FileState } from "../protocol";
import type { FileModel } from "./file-model";
import type { FolderCopies } from "./local-copies";
import { hitIn } from "./pattern";

interface LocalCopy {
  word: string;
  tone: string;
  icon: IconName | null;
  title?: string;
}

const LOCAL_COPY: Record<FileState, LocalCopy> = {
  [FileState.None]: { word: "–", tone: "none", icon: null },
  [FileState.Waiting]: { word: "Waiting", tone: "", icon: "wait" },
  [FileState.Fetching]: { word: "Fetching", tone: "run", icon: "run" },
  [FileState.Verified]: { word: "Verified", tone: "ok", icon: "check" },
  [FileState.Skipped]: { word: "Already there", tone: "ok", icon: "check" },
  [FileState.Failed]: { word: "Failed", tone: "err", icon: "close" },
  [FileState.SameSize]: {
    word: "Same size",
    tone: "",
    icon: "check",
    title: "The target folder has this file with the same size. A download compares the contents.",
  },
  [FileState.Differs]: {
    word: "Differs",
    tone: "warn",
    icon: "differs",
    title: "The target folder has another content under this name.",
  },
  [FileState.Same]: {
    word: "On disk",
    tone: "ok",
    icon: "check",
    title: "The target folder has this very content (same CRC-32).",
  },
};

const NOTHING = LOCAL_COPY[FileState.None];

/** One pooled row: the elements that change, and what they show now. */
export class Row {
  readonly element: HTMLElement;
  readonly #box: HTMLElement;
  readonly #twist = make("span", "tw");
  readonly #icon = make("span", "ic");
  readonly #name: HTMLElement;
  readonly #folder = make("span", "iw-cut dir");
  readonly #slash = make("span", "dir");
  readonly #base = make("span", "iw-cut base");
  readonly #count = make("small", "");
  readonly #size: SizeCell;
  readonly #packed: SizeCell;
  readonly #local: HTMLElement;
  #item: number | null = null;
  #model: FileModel | null = null;
  #search: unknown = null;
  #form = "";
  #isOpen: boolean | null = null;
  #isFolder: boolean | null = null;
  #localKey = "";
  #depth = -1;
  #top = -1;
  #row = -1;

  constructor(id: string) {
    this.element = make("div", "iw-fr", { role: "row", id });
    this.#box = make("span", "iw-ck", { role: "checkbox" });
    const boxCell = make("div", "bx", { role: "gridcell" });
    boxCell.append(this.#box);
    const nameCell = make("div", "nm", { role: "gridcell" });
    this.#name = make("span", "iw-name");
    this.#name.append(this.#folder, this.#slash, this.#base);
    nameCell.append(this.#twist, this.#icon, this.#name, this.#count);
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

  /** `top`: where the row stands in its box, in px. */
  paint(model: FileModel, row: number, top: number, current: boolean, shown: boolean): void {
    const item = model.itemAt(row);
    this.element.hidden = false;
    if (this.#top !== top) {
      this.#top = top;
      this.element.style.transform = `translateY(${top}px)`;
    }
    if (this.#row !== row) {
      this.#row = row;
      this.element.dataset.row = String(row);
      this.element.setAttribute("aria-rowindex", String(row + 2));
    }
    const isSame = item === this.#item && model === this.#model && model.form === this.#form;
    // What a search finds changes the sums of folders, and marks.
    if (!isSame || model.pattern !== this.#search) this.#paintItem(model, item);
    if (item < 0) this.#paintFold(model.isOpen(~item));
    const ticked = model.ticked(item);
    this.element.classList.toggle("sel", ticked === "all");
    this.element.classList.toggle("cur", current);
    this.element.classList.toggle("shown", shown);
    this.element.setAttribute("aria-selected", String(ticked === "all"));
    this.#box.setAttribute("aria-checked", ticked === "some" ? "mixed" : String(ticked === "all"));
    if (item < 0) this.#paintFolderCopies(model.local.below(model.tree, ~item), model.filesBelow(~item));
    else this.#paintState(model, item);
  }

  #paintItem(model: FileModel, item: number): void {
    this.#item = item;
    this.#model = model;
    this.#search = model.pattern;
    this.#form = model.form;
    const isTree = model.form === "tree";
    this.element.classList.toggle("folder", item < 0);
    if (isTree) this.element.setAttribute("aria-level", String(model.depth(item) + 1));
    else this.element.removeAttribute("aria-level");
    const depth = model.depth(item);
    if (depth !== this.#depth) {
      this.#depth = depth;
      this.element.style.setProperty("--d", String(depth));
    }
    if (item >= 0 && this.#isOpen !== null) {
      this.#isOpen = null;
      this.#twist.replaceChildren();
      this.element.removeAttribute("aria-expanded");
    }
    this.#paintIcon(item < 0);
    this.#paintName(model, item);
    this.#count.textContent = item < 0 ? countOf(model.filesBelow(~item), "file") : "";
    this.#size.paint(model.size(item));
    this.#packed.paint(model.packed(item));
  }

  #paintIcon(isFolder: boolean): void {
    if (isFolder === this.#isFolder) return;
    this.#isFolder = isFolder;
    this.#icon.replaceChildren(iconElement(isFolder ? "folder" : "file", "s"));
  }

  #paintName(model: FileModel, item: number): void {
    const path = model.name(item);
    const cut = path.lastIndexOf("/");
    // In parts, so that a long path loses the middle and keeps the file's own name.
    const inTree = model.form === "tree";
    const hit =
      model.pattern === null || (item < 0 && model.pattern.isGlob) ? null : hitIn(model.pattern, path);
    const part = (element: HTMLElement, from: number, end: number) => {
      const [first = "", ...rest] = marked(path, from, end, hit);
      // Letters alone take the place of letters alone: the page does less for those than for new nodes.
      const before = element.firstChild;
      if (rest.length === 0 && before instanceof Text && before.nextSibling === null)
        before.data = String(first);
      else element.replaceChildren(first, ...rest);
    };
    part(this.#folder, 0, inTree ? 0 : Math.max(0, cut));
    this.#slash.textContent = inTree || cut < 0 ? "" : "/";
    part(this.#base, cut + 1, path.length);
    this.#name.title = path;
    this.#box.setAttribute("aria-label", `Select ${path}`);
  }

  #paintFold(isOpen: boolean): void {
    if (isOpen === this.#isOpen) return;
    this.#isOpen = isOpen;
    this.element.setAttribute("aria-expanded", String(isOpen));
    this.#twist.replaceChildren(iconElement(isOpen ? "fold" : "chevron", "s"));
  }

  #paintState(model: FileModel, file: number): void {
    const state = model.local.stateOf(file);
    const percent = state === FileState.Fetching ? model.local.percents.get(file) : undefined;
    if (percent !== undefined) {
      this.#paintPercent(percent);
      return;
    }
    const copy = LOCAL_COPY[state] ?? NOTHING;
    const reason = state === FileState.Failed ? (model.local.reasons.get(file) ?? "") : "";
    this.#paintCopy(isChecksum(reason) ? { ...copy, word: "Checksum" } : copy, reason || copy.title);
  }

  #paintPercent(percent: number): void {
    if (this.#localKey === `${percent} %`) return;
    this.#localKey = `${percent} %`;
    const bar = make("span", "iw-bar");
    bar.style.setProperty("--p", `${percent}%`);
    bar.append(make("i", ""));
    this.#local.className = "iw-loc";
    this.#local.title = "";
    this.#local.removeAttribute("aria-label");
    this.#local.replaceChildren(bar, `${percent} %`);
  }

  #paintFolderCopies(copies: FolderCopies, files: number): void {
    this.#paintCopy(folderCopy(copies, files));
  }

  #paintCopy({ word, tone, icon, title }: LocalCopy, why = title ?? ""): void {
    const key = `${tone}/${word}/${why}`;
    if (key === this.#localKey) return;
    this.#localKey = key;
    this.#local.className = `iw-loc ${tone}`;
    this.#local.title = why;
    if (tone === "none") this.#local.setAttribute("aria-label", "not downloaded");
    else this.#local.removeAttribute("aria-label");
    const turning = tone === "run" ? "s iw-turn" : "s";
    this.#local.replaceChildren(...(icon === null ? [] : [iconElement(icon, turning)]), word);
  }
}

function folderCopy({ known, there, failed, differing, waiting }: FolderCopies, files: number): LocalCopy {
  if (known === 0) return NOTHING;
  if (failed > 0) return { word: `${formatCount(failed)} failed`, tone: "err", icon: "close" };
  if (differing > 0) return { word: `${formatCount(differing)} differ`, tone: "warn", icon: "differs" };
  if (waiting === known) return { word: "Waiting", tone: "", icon: "wait" };
  if (there === known && known >= files) return { word: "All on disk", tone: "ok", icon: "check" };
  const of = there === known ? files : known;
  return { word: `${formatCount(there)} of ${formatCount(of)}`, tone: "", icon: null };
}

function isChecksum(reason: string): boolean {
  return /CRC|checksum/i.test(reason);
}

/** The part `[from, end)` of a path, with the hit of a search marked in it. */
function marked(path: string, from: number, end: number, hit: [number, number] | null): (string | Node)[] {
  const first = Math.max(from, hit?.[0] ?? 0);
  const last = Math.min(end, hit?.[1] ?? 0);
  if (hit === null || first >= last) return [path.slice(from, end)];
  const mark = document.createElement("mark");
  mark.textContent = path.slice(first, last);
  return [path.slice(from, first), mark, path.slice(last, end)];
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

export function make(tag: string, className: string, attributes: Record<string, string> = {}): HTMLElement {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
