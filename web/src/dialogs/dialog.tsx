// A sheet over the page: it takes the focus, closes with Esc or a click beside it, and shows what went wrong.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icons";
import * as doc from "../state/document";
import * as view from "../state/view";

export function Dialog(props: { title: string; wide?: boolean; children: ComponentChildren }) {
  const own = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = own.current!;
    if (!element.open) element.showModal();
  }, []);
  return (
    <dialog
      ref={own}
      class={props.wide ? "wide-dialog" : undefined}
      aria-label={props.title}
      onClose={() => (view.dialog.value = null)}
      onClick={(event) => {
        if (event.target === own.current) own.current!.close();
      }}
    >
      <div class="sheet">
        <header>
          <h2>{props.title}</h2>
          <button type="button" class="iconic" aria-label="Close" onClick={() => own.current!.close()}>
            <Icon name="close" size={16} />
          </button>
        </header>
        <div class="content">
          {doc.notice.value?.kind === "fault" && <p class="fault">{doc.notice.value.text}</p>}
          {props.children}
        </div>
      </div>
    </dialog>
  );
}

export const close = (): void => {
  view.dialog.value = null;
};
