import { beforeEach, expect, test } from "vitest";
import { remember } from "../../src/memory";

type Choices = Record<string, unknown>;

beforeEach(() => sessionStorage.clear());

/** A view that has `choices`, and what it began with. */
function view(name: string, choices: Choices = {}) {
  let began: Choices = {};
  const end = remember<Choices>(
    name,
    () => ({ ...choices }),
    (saved) => {
      began = saved;
    },
  );
  return { began, end };
}

test("what is chosen is noted when the view goes, and when the page does", () => {
  const choices: Choices = { tab: "files" };
  const { end } = view("one", choices);
  choices.tab = "logs";
  window.dispatchEvent(new PageTransitionEvent("pagehide"));
  expect(view("one").began).toEqual({ tab: "logs" });

  choices.tab = "details";
  end();
  expect(view("one").began).toEqual({ tab: "details" });
});

test("a view that changed nothing leaves what another of its name has noted", () => {
  const [ticks, tabs] = [
    { ticked: 0, tab: "files" },
    { ticked: 0, tab: "files" },
  ];
  const [first, second] = [view("one", ticks), view("one", tabs)];
  ticks.ticked = 40;
  tabs.tab = "logs";
  first.end();
  second.end();

  expect(view("one").began).toEqual({ ticked: 40, tab: "logs" });
});

test("what is taken back is forgotten", () => {
  const choices: Choices = { search: undefined };
  const { end } = view("one", choices);
  choices.search = "vtk";
  window.dispatchEvent(new PageTransitionEvent("pagehide"));
  choices.search = undefined;
  end();

  expect(view("one").began).toEqual({});
});

test("neither long choices nor many views fill the browser's room", () => {
  for (let i = 0; i < 70; i += 1) {
    const choices: Choices = {};
    const { end } = view(`view ${i}`, choices);
    Object.assign(choices, { tab: "logs", ticked: "x".repeat(9_990), folders: "x".repeat(10_000) });
    end();
  }

  expect(view("view 69").began).toEqual({ tab: "logs", ticked: expect.stringMatching(/^x{9990}$/) });
  expect(view("view 6").began).toMatchObject({ tab: "logs" });
  expect(view("view 5").began).toEqual({});
  const kept = Object.values({ ...sessionStorage }).join("");
  expect(kept.length).toBeLessThan(700_000);
});
