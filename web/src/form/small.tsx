// A small number beside a text: what is written counts as soon as it is a number, and is tidied when it is left.
import { useEffect, useState } from "preact/hooks";

export function Small(props: { label: string; title: string; value: number; signed?: boolean; change: (value: number) => void }) {
  const shown = `${props.signed && props.value > 0 ? "+" : ""}${Number(props.value.toFixed(4))}`;
  const [text, setText] = useState(shown);
  useEffect(() => {
    if (read(text) !== props.value) setText(shown);
  }, [shown]);
  return (
    <input
      class="number small-number"
      inputMode="decimal"
      autocomplete="off"
      aria-label={props.label}
      title={props.title}
      value={text}
      onInput={(event) => {
        const written = event.currentTarget.value;
        setText(written);
        const value = read(written);
        if (value !== null) props.change(value);
      }}
      onBlur={() => setText(shown)}
    />
  );
}

function read(text: string): number | null {
  const value = Number(text.trim().replace(",", ".").replace("−", "-"));
  return text.trim() === "" || !Number.isFinite(value) ? null : value;
}
