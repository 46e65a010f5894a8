import { LabIcon } from "@jupyterlab/ui-components";
import { iconShape } from "../icons";

export const taskIcon = new LabIcon({
  name: "inductiva-widgets:tasks",
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16"><g class="jp-icon3" fill="none" stroke="#616161" stroke-width="1.5" stroke-linecap="round">${iconShape("task")}</g></svg>`,
});
