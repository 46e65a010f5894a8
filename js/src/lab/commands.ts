import type { JupyterFrontEnd } from "@jupyterlab/application";
import { type ICommandPalette, InputDialog } from "@jupyterlab/apputils";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { codeFor } from "../list/tasks";
import type { BackendName } from "../protocol";
import { taskIcon } from "./icon";
import type { TaskPlace } from "./tab";
import { parseTaskId } from "./task-data";

export const OPEN_TASK = "inductiva-widgets:open-task";
const SHOW_TASKS = "inductiva-widgets:show-tasks";
const INSERT_TASK = "inductiva-widgets:insert-task";
const SET_KEY = "inductiva-widgets:set-key";
const START_ENGINE = "inductiva-widgets:start-engine";

const CATEGORY = "Simulation Tasks";

/** What the commands do: the parts of the plugin behind them. */
export interface Acts {
  showTasks(): void;
  openTask(place: TaskPlace): void;
  /** Returns false when no notebook is open. */
  insertCode(code: string): boolean;
  canInsert(): boolean;
  /** The tasks that the user means: ticked in the panel, else that of the tab in front. */
  currentTasks(): readonly string[];
  setKey(): Promise<unknown>;
  startEngine(): Promise<unknown>;
  mayChangeAccount(): boolean;
}

export function addCommands(
  { commands }: JupyterFrontEnd,
  palette: ICommandPalette | null,
  acts: Acts,
): void {
  commands.addCommand(SHOW_TASKS, {
    label: "Show Simulation Tasks",
    icon: taskIcon,
    execute: () => acts.showTasks(),
  });
  commands.addCommand(OPEN_TASK, {
    label: "Open Simulation Task…",
    caption: "Open a task in a tab of its own",
    execute: async (args) => {
      const taskId = parseTaskId(args.task_id ?? (await askForId()));
      if (taskId !== null) acts.openTask({ taskId, backend: backendOf(args) });
    },
  });
  commands.addCommand(INSERT_TASK, {
    label: "Insert Simulation Task into Notebook",
    caption: "Add a cell that shows the task below the active cell, without running it",
    isEnabled: (args) => acts.canInsert() && meant(args).length > 0,
    execute: (args) => acts.insertCode(codeFor(meant(args))),
  });
  commands.addCommand(SET_KEY, {
    label: "Set API Key for Simulation Tasks…",
    isEnabled: () => acts.mayChangeAccount(),
    execute: () => acts.setKey(),
  });
  commands.addCommand(START_ENGINE, {
    label: "Start Local Engine for Simulation Tasks",
    isEnabled: () => acts.mayChangeAccount(),
    execute: () => acts.startEngine(),
  });

  function meant({ task_id }: ReadonlyPartialJSONObject): readonly string[] {
    const taskId = parseTaskId(task_id);
    return taskId === null ? acts.currentTasks() : [taskId];
  }

  for (const command of [SHOW_TASKS, OPEN_TASK, INSERT_TASK, SET_KEY, START_ENGINE])
    palette?.addItem({ command, category: CATEGORY });
}

/** Arguments of `OPEN_TASK`: JSON, so that the layout can be restored with them. */
export function openArgs({ taskId, backend }: TaskPlace): ReadonlyPartialJSONObject {
  return {
    task_id: taskId,
    ...(backend === null ? {} : { backend_id: backend.id, backend_name: backend.name }),
  };
}

function backendOf({ backend_id, backend_name }: ReadonlyPartialJSONObject): BackendName | null {
  if (typeof backend_id !== "string") return null;
  return { id: backend_id, name: typeof backend_name === "string" ? backend_name : backend_id };
}

async function askForId(): Promise<string | null> {
  const { button, value } = await InputDialog.getText({
    title: "Open Simulation Task",
    label: "Task id",
    placeholder: "i4ir3kvv62odsfrhko4y8w2an",
    okLabel: "Open",
  });
  return button.accept ? value : null;
}
