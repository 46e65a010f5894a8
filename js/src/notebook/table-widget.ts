import type { TaskFilters } from "../list/host";
import { type MountedTaskTable, mountTaskTable } from "../list/task-table";
import { makeWidget } from "./widget";

type Traits = {
  alive_key: string;
  last_n: number | null;
  filters: TaskFilters;
  is_chosen: boolean;
  selected_ids: string[];
};

interface Shared {
  tables: Set<MountedTaskTable>;
  /** Ids of the ticked tasks, as Python has them. */
  ticked: string;
}

/** The module of a `TaskTable`. Its views tick the same tasks. */
export default makeWidget<Traits, Shared>({
  share: (model) => ({ tables: new Set(), ticked: model.get("selected_ids").join() }),
  show: (el, connection, model, shared) => {
    const table = mountTaskTable(el, connection, {
      lastN: model.get("last_n"),
      filters: model.get("filters"),
      isChosen: model.get("is_chosen"),
      memory: model.get("alive_key"),
      selected: shared.ticked === "" ? [] : shared.ticked.split(","),
      onSelect: (taskIds) => {
        const ticked = taskIds.join();
        if (ticked === shared.ticked) return;
        shared.ticked = ticked;
        // A failure needs no message here: the view itself shows that its kernel is gone.
        connection.call("tasks.select", { task_ids: [...taskIds] }).catch(() => {});
        for (const other of shared.tables) if (other !== table) other.select(taskIds);
      },
    });
    shared.tables.add(table);
    return () => {
      shared.tables.delete(table);
      table.dispose();
    };
  },
});
