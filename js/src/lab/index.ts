import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, MainAreaWidget, WidgetTracker } from "@jupyterlab/apputils";
import { LabIcon } from "@jupyterlab/ui-components";
import { Widget } from "@lumino/widgets";
import type { Connection } from "../connection";
import { shortId } from "../format";
import { iconShape } from "../icons";
import { type MountedMonitor, mount, mountTaskList } from "../view";
import { ServerConnection } from "./server-connection";

const OPEN_TASK = "inductiva-widgets:open-task";
const SHOW_TASKS = "inductiva-widgets:show-tasks";

const taskIcon = new LabIcon({
  name: "inductiva-widgets:tasks",
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16"><g class="jp-icon3" fill="none" stroke="#616161" stroke-width="1.5" stroke-linecap="round">${iconShape("task")}</g></svg>`,
});

/** One task in a tab of its own. */
class TaskTab extends Widget {
  readonly #monitor: MountedMonitor;

  constructor(
    readonly taskId: string,
    connection: Connection,
  ) {
    super();
    this.addClass("iw-host");
    this.#monitor = mount(this.node, connection, { taskId, fill: true });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#monitor.dispose();
    super.dispose();
  }
}

/** The list of tasks at the side. */
class TaskPanel extends Widget {
  readonly #unmount: () => void;

  constructor(connection: Connection, onOpen: (taskId: string) => void) {
    super();
    this.id = "inductiva-widgets-tasks";
    this.addClass("iw-host");
    this.title.icon = taskIcon;
    this.title.caption = "Simulation tasks";
    this.#unmount = mountTaskList(this.node, connection, onOpen);
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#unmount();
    super.dispose();
  }
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "inductiva-widgets:plugin",
  description: "Simulation tasks at the side and in tabs, without a kernel.",
  autoStart: true,
  optional: [ICommandPalette, ILayoutRestorer],
  activate: (
    { commands, shell, serviceManager }: JupyterFrontEnd,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
  ) => {
    const connection = new ServerConnection(serviceManager.serverSettings);
    const tabs = new WidgetTracker<MainAreaWidget<TaskTab>>({ namespace: "inductiva-widgets-tasks" });

    commands.addCommand(OPEN_TASK, {
      label: "Open Simulation Task",
      execute: ({ task_id }) => {
        if (typeof task_id !== "string" || task_id === "") return;
        const id = `inductiva-widgets-task-${task_id}`;
        if (tabs.find((tab) => tab.id === id) === undefined) {
          const tab = new MainAreaWidget({ content: new TaskTab(task_id, connection) });
          tab.id = id;
          tab.title.label = `Task ${shortId(task_id)}`;
          tab.title.caption = task_id;
          tab.title.icon = taskIcon;
          tab.title.closable = true;
          void tabs.add(tab);
          shell.add(tab, "main");
        }
        shell.activateById(id);
      },
    });
    const panel = new TaskPanel(connection, (task_id) => void commands.execute(OPEN_TASK, { task_id }));
    commands.addCommand(SHOW_TASKS, {
      label: "Show Simulation Tasks",
      execute: () => shell.activateById(panel.id),
    });
    shell.add(panel, "left", { rank: 700 });
    palette?.addItem({ command: SHOW_TASKS, category: "Simulation Tasks" });
    restorer?.add(panel, panel.id);
    if (restorer !== null) {
      void restorer.restore(tabs, {
        command: OPEN_TASK,
        args: (tab) => ({ task_id: tab.content.taskId }),
        name: (tab) => tab.content.taskId,
      });
    }
  },
};

export default plugin;
