import type { JupyterFrontEnd } from "@jupyterlab/application";
import { MessageLoop } from "@lumino/messaging";
import type { Widget } from "@lumino/widgets";

/**
 * What we use of a notebook panel. The notebook package itself is no dependency: these few members
 * do not outweigh its hundred others.
 */
interface NotebookPanel extends Widget {
  content: {
    activeCellIndex: number;
    mode: "command" | "edit";
    activeCell: { ready: Promise<void>; editor: { focus(): void } | null } | null;
    model: {
      sharedModel: { insertCell(index: number, cell: { cell_type: "code"; source: string }): unknown };
    };
  };
}

/** Puts code into the notebook that the user worked in last, also while the side panel has the focus. */
export class CodeInserter {
  readonly #shell: JupyterFrontEnd.IShell;
  #last: NotebookPanel | null = null;

  constructor(shell: JupyterFrontEnd.IShell) {
    this.#shell = shell;
    shell.currentChanged?.connect((_, { newValue }) => {
      if (isNotebook(newValue)) this.#last = newValue;
    });
  }

  get hasNotebook(): boolean {
    return this.#notebook() !== null;
  }

  /** A new cell below the active one, not run. Returns false when no notebook is open. */
  insert(code: string): boolean {
    const panel = this.#notebook();
    if (panel === null) return false;
    const { content } = panel;
    const index = content.activeCellIndex + 1;
    content.model.sharedModel.insertCell(index, { cell_type: "code", source: code });
    content.activeCellIndex = index;
    this.#shell.activateById(panel.id);
    // Becoming active ends the editing of a cell, so that must be over; and a new cell has no editor yet.
    MessageLoop.flush();
    void content.activeCell?.ready.then(() => {
      content.mode = "edit";
      content.activeCell?.editor?.focus();
    });
    return true;
  }

  #notebook(): NotebookPanel | null {
    const { currentWidget } = this.#shell;
    if (isNotebook(currentWidget)) return currentWidget;
    return this.#last?.isDisposed === false ? this.#last : null;
  }
}

function isNotebook(widget: Widget | null): widget is NotebookPanel {
  const content = (widget as Partial<NotebookPanel> | null)?.content;
  return content?.activeCellIndex !== undefined && content.model?.sharedModel?.insertCell !== undefined;
}
