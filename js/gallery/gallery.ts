/**
 * A state of the views on recorded messages, in all its looks or one: `?state=success&theme=dark&width=280`.
 * Without a state: a list of them.
 */
import "./gallery.css";
import { PANEL_WIDTH, type State, stage } from "./scene";
import { states } from "./states";

const query = new URLSearchParams(location.search);
const themes = query.get("theme")?.split(" ") ?? ["light", "dark"];
const widths = query.get("width")?.split(" ").map(Number) ?? [280, 700, 1100];
const main = document.querySelector("main") ?? document.body;

async function show(state: State, theme: string, width: number): Promise<void> {
  const figure = document.createElement("figure");
  figure.dataset.theme = theme;
  figure.dataset.width = String(width);
  if (state.panel === true) figure.className = "flush";
  const frame = document.createElement("div");
  frame.style.width = `${width}px`;
  if (state.panel === true) frame.style.height = "100%";
  figure.append(frame);
  main.append(figure);
  await stage(frame, state);
}

function list(): void {
  for (const name of Object.keys(states)) {
    const link = document.createElement("a");
    link.href = `?state=${name}`;
    link.textContent = name;
    main.append(link);
  }
}

/** All looks side by side. */
async function showAll(state: State): Promise<void> {
  // A side panel is never wide.
  const shown = state.panel === true ? widths.map((width) => Math.min(width, PANEL_WIDTH)) : widths;
  const columns = [...new Set(shown)];
  main.style.setProperty("--columns", String(columns.length));
  await Promise.all(themes.flatMap((theme) => columns.map((width) => show(state, theme, width))));
}

// What one state chose is no other's.
localStorage.clear();
sessionStorage.clear();
const state = states[query.get("state") ?? ""];
try {
  if (state === undefined) list();
  else await showAll(state);
} finally {
  document.body.dataset.ready = "yes";
}
