import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, type MainAreaWidget, Notification, WidgetTracker } from "@jupyterlab/apputils";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { IStatusBar } from "@jupyterlab/statusbar";
import { Token } from "@lumino/coreutils";
import { codeFor } from "../list/tasks";
import { setPartsSource } from "../parts/part-loader";
import { askForKey, startEngine } from "./account-dialogs";
import { addCommands, OPEN_TASK, openArgs } from "./commands";
import { CodeInserter } from "./insert";
import { Notices } from "./notices";
import { NoticesFeed } from "./notices-feed";
import { Page } from "./page";
import { TaskPanel } from "./panel";
import { partsOfServer } from "./parts";
import { taskRendererFactory } from "./renderer";
import { guardSingleKeys } from "./single-keys";
import { showRunning } from "./status-bar";
import { heedPolicy } from "./strict-page";
import { makeTab, type TaskPlace, type TaskTab, tabId } from "./tab";
import type { ViewRights } from "./view-connection";

setPartsSource(partsOfServer);

const PLUGIN = "inductiva-widgets:plugin";
const HINT_MS = 6000;

const IPage = new Token<Page>("inductiva-widgets:page", "What the task views of a page share.");

const page: JupyterFrontEndPlugin<Page> = {
  id: "inductiva-widgets:page",
  description: "What the task views of a page share: the connection to the Jupyter server, settings.",
  autoStart: true,
  provides: IPage,
  activate: (app: JupyterFrontEnd) => new Page(app),
};

/** By itself: it must be there before any document is opened, and those wait for its promise. */
const renderer: JupyterFrontEndPlugin<void> = {
  id: "inductiva-widgets:renderer",
  description: "Shows tasks in outputs through the Jupyter server.",
  autoStart: true,
  requires: [IPage, IRenderMimeRegistry],
  activate: (_, page: Page, registry: IRenderMimeRegistry) => {
    registry.addFactory(taskRendererFactory(page));
    return heedPolicy(registry);
  },
};

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: "Simulation tasks at the side and in tabs, without a kernel.",
  autoStart: true,
  requires: [IPage],
  optional: [ICommandPalette, ILayoutRestorer, ISettingRegistry, IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    page: Page,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    registry: ISettingRegistry | null,
    statusBar: IStatusBar | null,
  ) => {
    const { shell } = app;
    const { connection, settings } = page;
    const rights: ViewRights = {
      mayAct: true,
      folder: () => settings.values.peek().downloadFolder || null,
      onDownload: page.downloads.follow,
    };
    const inserter = new CodeInserter(shell);
    const tabs = new WidgetTracker<MainAreaWidget<TaskTab>>({ namespace: "inductiva-widgets-tasks" });
    const openTask = (place: TaskPlace) => {
      if (tabs.find((tab) => tab.id === tabId(place)) === undefined) {
        const tab = makeTab(place, rights, page);
        void tabs.add(tab);
        shell.add(tab, "main");
      }
      shell.activateById(tabId(place));
    };
    const insertCode = (code: string) => {
      if (inserter.insert(code)) return true;
      Notification.info("Open a notebook first: the code goes below its active cell.", {
        autoClose: HINT_MS,
      });
      return false;
    };
    const panel = new TaskPanel(connection, rights, {
      open: (taskId, backend) => openTask({ taskId, backend }),
      insert: (taskId) => insertCode(codeFor([taskId])),
    });
    const showTasks = () => shell.activateById(panel.id);
    shell.add(panel, "left", { rank: 700 });

    addCommands(app, palette, {
      showTasks,
      openTask,
      insertCode,
      canInsert: () => inserter.hasNotebook,
      currentTasks: () => {
        if (panel.selected.length > 0) return panel.selected;
        const { currentWidget } = tabs;
        return currentWidget === null ? [] : [currentWidget.content.place.taskId];
      },
      setKey: () => askForKey(connection.account),
      startEngine: () => startEngine(connection.account),
      mayChangeAccount: () => !connection.isReadonly,
    });
    restorer?.add(panel, panel.id);
    void restorer?.restore(tabs, {
      command: OPEN_TASK,
      args: (tab) => openArgs(tab.content.place),
      name: (tab) => tab.id,
    });

    guardSingleKeys(() => settings.values.peek().singleKeys);
    const notices = new Notices(settings, {
      open: (taskId, backend) => openTask({ taskId, backend }),
      showTasks,
    });
    // What was switched off must not come up before the settings are read.
    const read = registry === null ? Promise.resolve() : settings.follow(registry, PLUGIN);
    void read.catch(console.error).then(() => {
      new NoticesFeed(connection, notices.show);
      if (statusBar !== null) showRunning(statusBar, page, showTasks);
    });
  },
};
export default [page, renderer, plugin];
