import type { MonitorStore } from "../monitor/store";
import { copyText } from "./copy";
import { MenuButton, type MenuGroup, type MenuItem } from "./pop-menu";

/** The button `…`: what is not needed every day. */
export function Menu({ store }: { store: MonitorStore }) {
  return <MenuButton icon="more" label="More actions" groups={() => groupsOf(store)} />;
}

function groupsOf(store: MonitorStore): MenuGroup[] {
  const copy = (text: string, said: string) => {
    void copyText(text).then(
      () => store.announce(said),
      () => store.announce("The browser did not allow copying."),
    );
  };
  const task: MenuItem[] = [
    { label: "Copy task id", icon: "copy", keys: "C", act: () => copy(store.taskId, "Task id copied.") },
    { label: "Copy as code", icon: "code", act: () => copy(codeOf(store.taskId), "Code copied.") },
    {
      label: "Details and metadata",
      icon: "list",
      keys: "4",
      act: () => {
        store.tab.value = "details";
      },
    },
  ];
  const folder = store.files.download.value?.target;
  const { openFolder } = store.options;
  if (openFolder !== undefined && folder !== undefined) {
    task.push({ label: "Open local folder", icon: "folder", act: () => openFolder(folder) });
  }
  const view: MenuItem[] = [
    {
      label: "Keys",
      icon: "keys",
      keys: "?",
      act: () => {
        store.showingKeys.value = true;
      },
    },
  ];
  // No call would be answered: the banner states it.
  if (store.connected.value) {
    view.unshift({ label: "Refresh", icon: "refresh", keys: "R", act: () => void store.refresh(true) });
  }
  return [{ items: task }, { items: view }];
}

/** Python that makes the same task again in a cell. */
function codeOf(taskId: string): string {
  return `import inductiva_widgets as iw\n\ntask = iw.Task(${JSON.stringify(taskId)})\ntask`;
}
