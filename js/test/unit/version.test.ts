import { expect, test } from "vitest";
import troubleshooting from "../../../docs/troubleshooting.md?raw";
import manifest from "../../package.json";
import { VERSION, versionTrouble } from "../../src/lab/version";

test("the page's version is that of the package", () => {
  expect(VERSION).toBe(manifest.version);
});

test("an older server is reported in the words of the documentation", () => {
  const told = versionTrouble("0.0.1", "0.0.2");
  const said = told?.message.replace("inductiva_widgets 0.0.1", "…").replace("0.0.2", "…");

  expect(troubleshooting).toContain(`| ${said} | ${told?.hint} |`);
});

test("the same version is no trouble", () => {
  expect(versionTrouble(VERSION)).toBeNull();
});

test.each([
  ["0.1.0", "0.1.1"],
  ["0.9.0", "0.10.0"],
  ["0.9", "0.9.1"],
  ["1.2.3", "2.0.0"],
  [undefined, "0.1.0"],
])("a server of %s under a page of %s is to be restarted", (server, page) => {
  const told = versionTrouble(server, page);
  expect(told?.message).toContain(server ?? "an older inductiva_widgets");
  expect(told?.message).toContain(page);
  expect(told?.hint).toMatch(/^Restart the Jupyter server\./);
  expect(told?.hint).toContain("pip install -U inductiva_widgets");
});

test.each([
  ["0.1.1", "0.1.0"],
  ["0.10.0", "0.9.5"],
  ["2.0.0rc1", "1.9.9"],
])("a page of another version than the newer server's %s is to be loaded again", (server, page) => {
  expect(versionTrouble(server, page)?.hint).toMatch(/^Reload the page\./);
});
