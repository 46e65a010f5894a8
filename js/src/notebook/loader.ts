import type { AnyModel, InitializeProps, RenderProps } from "@anywidget/types";
import { importPacked } from "./import-packed";
import { pageWide } from "./page-wide";

/**
 * What every widget of a notebook brings. The code of its views came once, as the state of a model that all
 * widgets of a kernel share; a page imports it once. Where the page does not have it, the kernel is asked, and
 * until it answers, perhaps never, the saved line of text is shown.
 */

type Traits = { alive_key: string; code: string | null; as_text: string };

/** The module of a kind of widget (`widget.ts`). */
interface Widget {
  initialize(props: InitializeProps<Traits>): () => void;
  render(props: RenderProps<Traits>): () => void;
  addStyle(): void;
}

interface Code {
  name: string;
  /** With gzip. */
  packed: DataView<ArrayBuffer>;
}

/** A widget whose code may be on its way. */
interface Begun {
  widget: Promise<Widget>;
  /** Resolves with a sentence when the code does not come at once. */
  late: Promise<string>;
}

const PREFIX = "IPY_MODEL_";
const SAVED = "The live view needs the notebook's kernel: run the cell again.";
const WAITING =
  "Waiting for the kernel, which has the code of the live view. If there is no kernel, run the cell again.";
/** Models come in any order when a page is loaded again. */
const PATIENCE_MS = 20_000;
const LATE_MS = 1000;
const PAUSE_MS = 100;

const onPage = pageWide<Map<string, Promise<Widget>>>("__inductivaWidgetsCode", () => new Map());
/** By `alive_key`, from `initialize` on. */
const begun = new Map<string, Begun>();

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** What the page's widget manager has; null if it has none, or was saved without it. */
async function codeOfPage(model: AnyModel<Traits>): Promise<Code | null> {
  const id = model.get("code")?.slice(PREFIX.length);
  for (let end = Date.now() + PATIENCE_MS; id !== undefined && Date.now() < end; await pause(PAUSE_MS)) {
    try {
      const found = (await model.widget_manager.get_model(id)) as AnyModel | undefined;
      const [name, packed] = [found?.get("name"), found?.get("packed")];
      if (found !== undefined) return ArrayBuffer.isView(packed) ? ({ name, packed } as Code) : null;
    } catch (error) {
      console.debug(error);
    }
  }
  return null;
}

/** What the kernel answers, if there is one. */
function codeOfKernel(model: AnyModel<Traits>): Promise<Code> {
  return new Promise((resolve) => {
    const id = `code-${model.get("alive_key")}`;
    const onMessage = (message: { kind: string; id: string; result: Code }, buffers?: Code["packed"][]) => {
      const packed = buffers?.[0];
      if (message.kind !== "result" || message.id !== id || packed === undefined) return;
      model.off("msg:custom", onMessage);
      resolve({ name: message.result.name, packed });
    };
    model.on("msg:custom", onMessage);
    model.send({ kind: "call", id, method: "view.code", params: {} });
  });
}

async function codeOf(model: AnyModel<Traits>, onLate: (sentence: string) => void): Promise<Code> {
  const page = codeOfPage(model);
  const first = await Promise.race([page, pause(LATE_MS)]);
  if (first) return first;
  onLate(first === null ? SAVED : WAITING);
  const kernel = codeOfKernel(model);
  return Promise.race([kernel, page.then((code) => code ?? kernel)]);
}

async function widgetOf(model: AnyModel<Traits>, onLate: (sentence: string) => void): Promise<Widget> {
  const { name, packed } = await codeOf(model, onLate);
  let widget = onPage.get(name);
  if (widget === undefined) {
    widget = importWidget(packed);
    onPage.set(name, widget);
    widget.catch(() => onPage.delete(name));
  }
  return widget;
}

async function importWidget(packed: Code["packed"]): Promise<Widget> {
  const { default: widget } = await importPacked<{ default: Widget }>(packed);
  widget.addStyle();
  return widget;
}

/** Returns at once, because anywidget gives a module two seconds for it, and drops messages afterwards. */
function initialize({ model, ...rest }: InitializeProps<Traits>): () => void {
  const key = model.get("alive_key");
  let onLate: (sentence: string) => void = () => {};
  const late = new Promise<string>((resolve) => {
    onLate = resolve;
  });
  const widget = widgetOf(model, onLate);
  const end = widget.then((it) => it.initialize({ model, ...rest }));
  begun.set(key, { widget: end.then(() => widget), late });
  end.catch((error) => console.error(error));
  return () => {
    begun.delete(key);
    end.then(
      (stop) => stop(),
      () => {},
    );
  };
}

async function render(props: RenderProps<Traits>): Promise<() => void> {
  const { el, model } = props;
  const { widget, late } = begun.get(model.get("alive_key")) as Begun;
  let isWaiting = true;
  late.then((sentence) => {
    if (isWaiting) el.append(note(model.get("as_text")), note(sentence, 0.7));
  });
  try {
    const { render } = await widget;
    isWaiting = false;
    el.replaceChildren();
    return render(props);
  } catch (error) {
    isWaiting = false;
    const told = note(`${error instanceof Error ? error.message : error}`);
    told.setAttribute("role", "alert");
    el.replaceChildren(told);
    return () => {};
  }
}

/** A line of text in the page's own writing, as there is no style yet. */
function note(text: string, opacity = 1): HTMLElement {
  const line = document.createElement("div");
  line.style.cssText = `font:13px/20px system-ui,sans-serif;opacity:${opacity}`;
  line.textContent = text;
  return line;
}

export default { initialize, render };
