// What opens over the page for a moment.
import { ShelfList } from "../form/start";
import * as view from "../state/view";
import { Code } from "./code";
import { Dialog } from "./dialog";
import { HistoryDialog } from "./history";
import { Keys } from "./keys";
import { MapDialog } from "./map";
import { Methods } from "./methods";
import { Settings } from "./settings";

export function Dialogs() {
  switch (view.dialog.value) {
    case "methods":
      return <Methods />;
    case "settings":
      return <Settings />;
    case "map":
      return <MapDialog />;
    case "code":
      return <Code />;
    case "history":
      return <HistoryDialog />;
    case "shelf":
      return (
        <Dialog title="The inversion shelf">
          <ShelfList />
        </Dialog>
      );
    case "keys":
      return <Keys />;
    default:
      return null;
  }
}
