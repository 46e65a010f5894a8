/** Mounts every state of the views on recorded messages: `?state=success&theme=dark&width=280`. */
import "./gallery.css";
import { mountTaskTable } from "../src/task-table";
import { mount, mountTaskList } from "../src/view";
import { ReplayConnection, type Transcript } from "../test/replay-connection";
import { type State, states } from "./states";

const query = new URLSearchParams(location.search);
const theme = query.get("theme") ?? "light";
const width = Number(query.get("width") ?? 700);
const wanted = query.get("state");
document.body.dataset.theme = theme;

async function show(name: string, state: State): Promise<void> {
  localStorage.clear(); // what one state chose is no other's
  const figure = document.createElement("figure");
  if (state.panel === true) figure.className = "flush";
  figure.id = name;
  const frame = document.createElement("div");
  frame.style.width = `${state.panel === true ? Math.min(width, 400) : width}px`;
  if (state.panel === true) frame.style.height = "100%";
  figure.append(frame);
  if (wanted === null) {
    const caption = document.createElement("figcaption");
    caption.textContent = name;
    document.querySelector("main")?.append(caption);
  }
  document.querySelector("main")?.append(figure);
  const connection = new ReplayConnection(state.transcripts as Transcript[], state.peer);
  state.before?.(connection);
  if (state.table !== undefined) mountTaskTable(frame, connection, state.table);
  else if (state.list !== undefined) mountTaskList(frame, connection, state.list);
  else mount(frame, connection, { taskId: state.taskId });
  await settled();
  await state.after?.({ connection, root: frame, settled });
  await settled();
}

/** Long enough for answers, unzipping and painting. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 80));
}

for (const [name, state] of Object.entries(states)) {
  if (wanted === null || wanted === name) await show(name, state);
}
document.body.dataset.ready = "yes";
