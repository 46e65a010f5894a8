import { beforeEach, expect, test, vi } from "vitest";
import done from "../../../tests/golden/protocol/download-done.json";
import type { Connection, EventListener } from "../../src/connection";
import { countOf } from "../../src/format";
import type { DownloadProgress } from "../../src/protocol";
import { PAYLOADS } from "../payloads";

const shown = vi.hoisted(() => ({ emit: vi.fn(() => "toast"), update: vi.fn() }));
vi.mock("@jupyterlab/apputils", () => ({ Notification: shown }));
const { DownloadToasts } = await import("../../src/lab/download-toasts");

interface Said {
  result?: DownloadProgress;
  event?: { download?: DownloadProgress };
}
const progress = done.messages
  .map(({ message }) => message as Said)
  .flatMap(({ result, event }) => result ?? event?.download ?? []);
const started = progress.find(({ state }) => state === "running") as DownloadProgress;
const ended = progress.at(-1) as DownloadProgress;
const SUCCESS = expect.objectContaining({ id: "toast", type: "success" });

/** A connection whose service reports these downloads of the task. */
function connectionWith(downloads: DownloadProgress[]) {
  let hear: EventListener | null = null;
  let lose = () => {};
  const connection = {
    call: async () => ({ result: { downloads }, buffers: [] }),
    subscribe(_topic: string, onEvent: EventListener, onGap = () => {}) {
      [hear, lose] = [onEvent, onGap];
      return () => {
        hear = null;
      };
    },
  } as unknown as Connection;
  const say = (download: DownloadProgress) => hear?.({ kind: "download", download });
  return { connection, downloads, say, lose: () => lose(), listens: () => hear !== null };
}

beforeEach(() => void vi.clearAllMocks());

test("progress, then the end, which is reported once", async () => {
  const onEnd = vi.fn();
  const { connection, say, listens } = connectionWith([]);
  new DownloadToasts(onEnd).follow(connection, started);

  say({ ...started, bytes: 100, bytes_done: 50 });
  expect(shown.update).toHaveBeenLastCalledWith(expect.objectContaining({ progress: 0.5 }));
  say(ended);

  expect(shown.update).toHaveBeenLastCalledWith(SUCCESS);
  expect(onEnd).toHaveBeenCalledTimes(1);
  expect(listens()).toBe(false);
});

test.each(PAYLOADS)("a toast shows %j as text of one message", async (payload) => {
  const { connection, say } = connectionWith([]);
  new DownloadToasts(() => {}).follow(connection, started);
  const error = { type: "TransportError", message: payload, hint: payload, retryable: true };

  say({ ...started, state: "failed", error });
  const failed = shown.update.mock.lastCall;
  new DownloadToasts(() => {}).follow(connection, { ...started, download_id: "other" });
  say({ ...ended, download_id: "other", target: payload });
  const succeeded = shown.update.mock.lastCall;

  // Toasts show text, and nothing but a message is handed to them: no caption, no action.
  expect(failed).toEqual([
    { id: "toast", message: `Download failed: ${payload}`, type: "error", autoClose: false },
  ]);
  const message = `${countOf(ended.files, "file")} verified in ${payload.length <= 80 ? payload : `…${payload.slice(-79)}`}`;
  expect(succeeded).toEqual([{ id: "toast", message, type: "success", autoClose: 5000 }]);
});

test("an end that came before the answer about the start is not missed", async () => {
  const onEnd = vi.fn();
  const { connection, listens } = connectionWith([ended]);
  new DownloadToasts(onEnd).follow(connection, started);

  await vi.waitFor(() => expect(shown.update).toHaveBeenLastCalledWith(SUCCESS));

  expect(onEnd).toHaveBeenCalledTimes(1);
  expect(listens()).toBe(false);
});

test("an end that was lost on the way is asked for", async () => {
  const { connection, downloads, lose } = connectionWith([]);
  new DownloadToasts(() => {}).follow(connection, started);

  downloads.push(ended);
  lose();

  await vi.waitFor(() => expect(shown.update).toHaveBeenLastCalledWith(SUCCESS));
});
