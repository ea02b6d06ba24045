// How shall it be changed: the methods as cards, by what a person wants, with what each does.
import type { MethodInfo } from "../api";
import * as doc from "../state/document";
import * as server from "../state/server";
import { close, Dialog } from "./dialog";

export function Methods() {
  const tasks = [...new Set(server.methods.value.map((one) => one.task))];
  const pick = (one: MethodInfo): void => {
    doc.setMethod(one.name);
    close();
  };
  return (
    <Dialog title="How shall it be changed?" wide>
      {tasks.map((task) => (
        <section class="task" key={task}>
          <h3>{task}</h3>
          <div class="tiles">
            {server.methods.value
              .filter((one) => one.task === task)
              .map((one) => (
                <button
                  type="button"
                  key={one.name}
                  class="tile"
                  disabled={!!one.unfit}
                  aria-pressed={one.name === doc.method.value}
                  title={one.summary}
                  onClick={() => pick(one)}
                >
                  {one.card && <img src={`cards/${one.name}.webp`} alt="" width={192} height={68} loading="lazy" />}
                  <b>{one.title}</b>
                  <span>{one.brief[0]!.toUpperCase() + one.brief.slice(1)}</span>
                  <small>{one.unfit ?? one.paper.split(";")[0]}</small>
                </button>
              ))}
          </div>
        </section>
      ))}
    </Dialog>
  );
}
