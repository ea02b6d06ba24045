// Everything that a method can be told, with its own words for each value.
import { Row } from "../form/fields";
import * as doc from "../state/document";
import { Dialog } from "./dialog";

export function Settings() {
  const info = doc.info.value;
  const fields = info?.fields.filter((one) => one.kind !== "points" && !["prompt", "negative_prompt", "source_prompt"].includes(one.name)) ?? [];
  const names = Object.keys(doc.changed.value);
  return (
    <Dialog title={`All settings: ${info?.title ?? ""}`}>
      {names.some((name) => fields.some((field) => field.name === name)) && (
        <p class="reset">
          <button
            type="button"
            class="link"
            onClick={() => {
              for (const field of fields) doc.setValue(field.name, undefined);
            }}
          >
            Back to what is usual
          </button>
        </p>
      )}
      {fields.map((field) => (
        <div key={`${info!.name}.${field.name}`} class="setting">
          <Row field={field} />
          <p class="dim small">
            {field.help}
            {field.name in doc.changed.value && (
              <>
                {" "}
                <button type="button" class="link" onClick={() => doc.setValue(field.name, undefined)}>
                  Reset
                </button>
              </>
            )}
          </p>
        </div>
      ))}
    </Dialog>
  );
}
