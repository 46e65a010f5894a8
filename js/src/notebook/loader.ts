import type { AnyModel, InitializeProps, RenderProps } from "@anywidget/types";
import { importPacked } from "./import-packed";
import { pageWide } from "./page-wide";

/**
 * What every widget of a notebook brings. The code of its views came once, as the state of a model that all
 * widgets of a kernel share; a page imports it once.
 */

type Traits = { alive_key: string; code: string };

/** The module of a kind of widget (`widget.ts`). */
interface Widget {
  initialize(props: InitializeProps<Traits>): () => void;
  render(props: RenderProps<Traits>): () => void;
  addStyle(): void;
}

/** The synced traits of the model with the code. */
interface Code {
  get(trait: "name" | "packed"): string;
}

const PREFIX = "IPY_MODEL_";
/** Models come in any order when a page is loaded again. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 100;

const onPage = pageWide<Map<string, Promise<Widget>>>("__inductivaWidgetsCode", () => new Map());
/** By `alive_key`, from `initialize` on. */
const ready = new Map<string, Promise<Widget>>();

async function codeOf(model: AnyModel<Traits>): Promise<Code> {
  const id = model.get("code").slice(PREFIX.length);
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      const found = (await model.widget_manager.get_model(id)) as Code | undefined;
      if (found !== undefined) return found;
    } catch (error) {
      console.debug(error);
    }
    if (Date.now() > end) throw new Error("The notebook has lost the code of this view. Run its cell again.");
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function widgetOf(model: AnyModel<Traits>): Promise<Widget> {
  const code = await codeOf(model);
  const name = code.get("name");
  let widget = onPage.get(name);
  if (widget === undefined) {
    widget = importWidget(code.get("packed"));
    onPage.set(name, widget);
    widget.catch(() => onPage.delete(name));
  }
  return widget;
}

async function importWidget(base64: string): Promise<Widget> {
  const packed = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const { default: widget } = await importPacked<{ default: Widget }>(packed.buffer);
  widget.addStyle();
  return widget;
}

/** Returns at once, because anywidget gives a module two seconds for it, and drops messages afterwards. */
function initialize({ model, ...rest }: InitializeProps<Traits>): () => void {
  const key = model.get("alive_key");
  const widget = widgetOf(model);
  const end = widget.then((it) => it.initialize({ model, ...rest }));
  ready.set(
    key,
    end.then(() => widget),
  );
  ready.get(key)?.catch((error) => console.error(error));
  return () => {
    ready.delete(key);
    end.then(
      (stop) => stop(),
      () => {},
    );
  };
}

async function render(props: RenderProps<Traits>): Promise<() => void> {
  try {
    const widget = await ready.get(props.model.get("alive_key"));
    return widget?.render(props) ?? (() => {});
  } catch (error) {
    props.el.setAttribute("role", "alert");
    props.el.textContent = `${error instanceof Error ? error.message : error}`;
    return () => {};
  }
}

export default { initialize, render };
