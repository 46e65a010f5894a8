/** Tasks that ended badly, by cause: as Python reports each (`tests/unit/test_failed_ends.py`). */
import failedEnds from "../../../tests/golden/failed-ends.json";
import detailsFailed from "../../../tests/golden/protocol/details-failed.json";
import taskFailed from "../../../tests/golden/protocol/task-failed.json";
import { answer, call } from "../../test/tasks";
import { monitor, type State } from "../scene";

type End = (typeof failedEnds)[keyof typeof failedEnds];

const [, , { message: recorded }] = detailsFailed.messages as unknown as [
  unknown,
  unknown,
  { message: { result: object } },
];

/** What the service would have reported of the recorded failed task with another end. */
function ended({ task, phases, cause, failure, outputs_error }: End): State {
  const details = { ...recorded.result, phases, cause };
  const messages = [
    ...[call("1", "task.get"), answer("1", task)],
    ...[call("2", "task.details"), answer("2", details)],
    ...[call("3", "task.failure"), answer("3", failure)],
    ...(outputs_error === null
      ? taskFailed.messages.slice(-3)
      : [call("4", "outputs.list"), refusal("4", outputs_error)]),
  ];
  return monitor([{ about: "made of an end", messages }], { taskId: task.task_id });
}

function refusal(id: string, error: object) {
  return { to: "view", message: { kind: "error", id, error } };
}

export const endStates: Record<string, State> = Object.fromEntries(
  Object.entries(failedEnds).map(([name, end]) => [`failed-${name}`, ended(end as End)]),
);
