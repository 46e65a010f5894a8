import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { saveChoice } from "../key-choice";
import type { MonitorStore } from "../monitor/store";
import { Icon } from "./icon";
import { keysAct } from "./keys";

/** Every key of the monitor, for the sheet that `?` opens: keys with spaces between, and what they do. */
export const KEY_HELP: readonly { about: string; keys: readonly [keys: string, does: string][] }[] = [
  {
    about: "Task",
    keys: [
      ["1 2 3 4", "Files, logs, machine, details"],
      ["K", "Ask to kill the task"],
      ["C", "Copy the task id"],
      ["R", "Refresh, or try again now"],
      ["M", "Open the menu"],
      ["?", "These keys"],
    ],
  },
  {
    about: "Logs",
    keys: [
      ["N", "Next hit"],
      ["Shift N", "Previous hit"],
      ["W", "Wrap lines"],
      ["F", "Pause the log, or follow it again"],
    ],
  },
  {
    about: "Lists",
    keys: [
      ["/", "Search; Esc clears, then leaves the field"],
      ["↑ ↓ Home End PgUp PgDn", "Move the row"],
      ["← →", "Fold, unfold, to the folder above"],
      ["Space", "Select"],
      ["Shift ↑ ↓", "Extend the selection"],
      ["Ctrl A", "Select all found"],
      ["Ctrl I", "Invert the selection"],
      ["Enter Esc", "Look into the file, back"],
      ["T L", "Files as a tree, as a list"],
      ["D", "Download the selection"],
      ["Shift D", "Download all files"],
    ],
  },
];

/** The sheet over the card that lists the keys. Esc closes it; the focus goes back to where it was. */
export function KeySheet({ store }: { store: MonitorStore }) {
  const close = useRef<HTMLButtonElement>(null);
  const [act, setAct] = useState(keysAct(store));
  const title = `${store.uid}-keys`;
  // The rest of the card is inert meanwhile, so the focus cannot leave for it.
  useLayoutEffect(() => close.current?.focus(), []);
  const shut = () => {
    store.showingKeys.value = false;
  };
  return (
    <div
      class="iw-sheet"
      role="dialog"
      aria-modal="true"
      aria-labelledby={title}
      onKeyDown={(event) => {
        if (event.key !== "Escape" && event.key !== "?") return;
        event.preventDefault();
        event.stopPropagation();
        shut();
      }}
    >
      <header>
        <h4 id={title}>Keys</h4>
        <button
          ref={close}
          type="button"
          class="iw-b icon ghost"
          aria-label="Close"
          title="Close (Esc)"
          onClick={shut}
        >
          <Icon name="close" />
        </button>
      </header>
      <div class="body">
        <div class="iw-keysets">
          {KEY_HELP.map(({ about, keys }) => (
            <section class="iw-keys" key={about} aria-label={about}>
              <h4>{about}</h4>
              <dl>
                {keys.map(([key, does]) => (
                  <div key={key}>
                    <dt>
                      {key.split(" ").map((part) => (
                        <kbd class="iw-kbd" key={part}>
                          {part}
                        </kbd>
                      ))}
                    </dt>
                    <dd>{does}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
        <label class="iw-switch">
          <input
            type="checkbox"
            checked={act}
            onChange={(event) => {
              const on = event.currentTarget.checked;
              saveChoice(on);
              setAct(on);
            }}
          />
          Single keys act while the focus is in this view
        </label>
      </div>
    </div>
  );
}
