import type { FilesStore } from "../files/store";
import { mount } from "../monitor/mount";
import type { TaskSummary } from "../protocol";
import { makeWidget } from "./widget";

type Traits = {
  alive_key: string;
  task_id: string;
  summary: TaskSummary | null;
};

/** The module of a `TaskMonitor`. Its views of one task tick the same files. */
export default makeWidget<Traits, Set<FilesStore>>({
  share: () => new Set(),
  show: (el, connection, model, inStep) => {
    const monitor = mount(el, connection, {
      taskId: model.get("task_id"),
      summary: model.get("summary"),
      inStep,
    });
    const onSummary = () => {
      const summary = model.get("summary");
      if (summary !== null) monitor.offer(summary);
    };
    model.on("change:summary", onSummary);
    return () => {
      model.off("change:summary", onSummary);
      monitor.dispose();
    };
  },
});
