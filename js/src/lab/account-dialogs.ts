import { Dialog, InputDialog, showDialog, showErrorMessage } from "@jupyterlab/apputils";
import { asServiceError } from "../connection";
import type { Account } from "./account";

/** Asks for the API key and sends it to the Jupyter server. True if the server has a new one. */
export async function askForKey(account: Account): Promise<boolean> {
  const { button, value } = await InputDialog.getPassword({
    title: "Set API Key",
    label: "The Jupyter server stores it in a file that only its user can read. It will not be shown again.",
    placeholder: "API key",
    okLabel: "Save Key",
  });
  const key = value?.trim() ?? "";
  if (!button.accept || key === "") return false;
  return told("The key was not saved", async () => {
    if ((await account.setKey(key, false)) === "saved") return true;
    return (await mayReplace()) && (await account.setKey(key, true)) === "saved";
  });
}

/** Starts the local engine beside the Jupyter server. True if it runs. */
export async function startEngine(account: Account): Promise<boolean> {
  return told("The local engine did not start", async () => {
    await account.startEngine();
    return true;
  });
}

async function mayReplace(): Promise<boolean> {
  const { button } = await showDialog({
    title: "Replace the API key?",
    body: "The server already has another key. The tasks of that account will no longer be listed.",
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: "Replace Key" })],
    defaultButton: 0,
  });
  return button.accept;
}

/** Shows an error in a dialog: these acts have no view of their own. */
async function told(title: string, act: () => Promise<boolean>): Promise<boolean> {
  try {
    return await act();
  } catch (error) {
    const { message, hint } = asServiceError(error);
    await showErrorMessage(title, hint === "" ? message : `${message}\n${hint}`);
    return false;
  }
}
