// Two results side by side in figures: what differs in their recipes, and how many pixels do.
import { useEffect, useState } from "preact/hooks";
import { ask, type Differences, type Result } from "../api";
import { percent } from "../stage/notes";
import * as server from "../state/server";

const shown = (value: unknown): string =>
  value === null || value === undefined
    ? "–"
    : typeof value !== "string"
      ? JSON.stringify(value)
      : /^[0-9a-f]{64}$/.test(value)
        ? `${value.slice(0, 12)}…`
        : value;

export function Against({ result }: { result: Result }) {
  const others = [...server.results.value.values()]
    .filter((one) => one.id !== result.id && one.width === result.width && one.height === result.height)
    .sort((a, b) => Number(b.edit === result.edit) - Number(a.edit === result.edit) || b.created - a.created)
    .slice(0, 30);
  const [other, setOther] = useState("");
  const [found, setFound] = useState<Differences | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  useEffect(() => {
    setFound(null);
    setFault(null);
    if (other) ask<Differences>(`api/results/${result.id}/against/${other}`).then(setFound, (error: Error) => setFault(error.message));
  }, [other, result.id]);
  if (!others.length) return null;
  return (
    <section class="part">
      <h3>Compare with another result</h3>
      <select aria-label="The other result" value={other} onChange={(event) => setOther(event.currentTarget.value)}>
        <option value="">Choose one…</option>
        {others.map((one) => (
          <option key={one.id} value={one.id}>
            {one.file}, {one.prompt || one.method}
          </option>
        ))}
      </select>
      {fault && <p class="fault">{fault}</p>}
      {found && (
        <>
          <p class="dim small">
            {found.share === null
              ? "They are of different sizes."
              : found.share === 0
                ? "Every pixel is the same."
                : `${percent(found.share)} % of the pixels differ, by at most ${found.largest} of 255.`}
            {found.fields.length ? "" : " The recipes are the same."}
          </p>
          {found.fields.length > 0 && (
            <table class="against">
              <thead>
                <tr>
                  <th scope="col" />
                  <th scope="col">this</th>
                  <th scope="col">the other</th>
                </tr>
              </thead>
              <tbody>
                {found.fields.map(([name, mine, theirs]) => (
                  <tr key={name}>
                    <th scope="row">{name}</th>
                    <td>{shown(mine)}</td>
                    <td>{shown(theirs)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </>
      )}
    </section>
  );
}
