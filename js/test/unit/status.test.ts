import { describe, expect, test } from "vitest";
import golden from "../../../tests/golden/statuses.json";
import { statusLook } from "../../src/status";

/** Icon and tone of each group, as people read them in the design's badge table. */
const LOOK_OF_GROUP: Record<string, [string, string]> = {
  waiting: ["wait", ""],
  running: ["run", "run"],
  stopping: ["stopping", "warn"],
  done: ["done", "ok"],
  failed: ["fail", "err"],
  stopped: ["user", ""],
  limit: ["limit", "warn"],
  lost: ["lost", "warn"],
};

describe("every status of the contract has the look of its group", () => {
  test.each(Object.entries(golden))("%s", (status, { group }) => {
    const { icon, tone } = statusLook(status);
    expect([icon, tone]).toEqual(LOOK_OF_GROUP[group]);
  });
});

test("an unknown status is shown as unknown", () => {
  expect(statusLook("moving-to-mars").icon).toBe("unknown");
});
