import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Account, type Answer, type Backends } from "../../src/lab/account";

const BACKENDS: Backends = { default: null, readonly: false, key_source: null, backends: [] };

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function asking(...answers: (Answer | Error)[]) {
  const ask = vi.fn(async () => {
    const answer = answers.shift() ?? new Error("asked too often");
    if (answer instanceof Error) throw answer;
    return answer;
  });
  return { ask, account: new Account(ask, (error) => new Error(error.message)) };
}

test("a server that does not answer is asked again until it does", async () => {
  const { ask, account } = asking(new Error("down"), new Error("down"), { status: 200, body: BACKENDS });
  await expect(account.known()).rejects.toThrow("down");
  await vi.advanceTimersByTimeAsync(40_000);
  expect(account.backends.value).toEqual(BACKENDS);
  await vi.advanceTimersByTimeAsync(100_000);
  expect(ask).toHaveBeenCalledTimes(3);
});

test("a server without the route is not asked again", async () => {
  const { ask, account } = asking(Object.assign(new Error("HTTP 404"), { status: 404 }));
  await expect(account.known()).rejects.toThrow("404");
  await vi.advanceTimersByTimeAsync(100_000);
  expect(ask).toHaveBeenCalledTimes(1);
});

test("no call is sent once it is disposed of", async () => {
  const { ask, account } = asking(new Error("down"));
  await expect(account.known()).rejects.toThrow("down");
  account.dispose();
  await vi.advanceTimersByTimeAsync(100_000);
  expect(ask).toHaveBeenCalledTimes(1);
});

test("a refusal leaves what is known alone", async () => {
  const error = { type: "ConfigurationError", message: "no", hint: "", retryable: false };
  const { account } = asking({ status: 200, body: BACKENDS }, { status: 400, body: { error } });
  await account.load();
  await expect(account.setKey("k", false)).rejects.toThrow("no");
  expect(account.backends.value).toEqual(BACKENDS);
});
