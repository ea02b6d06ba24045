// The chain that led to a picture: each result that was kept became the source of the next edit.
import type { Link } from "../api";
import * as server from "../state/server";

/** Pictures from the first to this one; a result names the picture it was made from and, once kept, the one it became. */
export function lineage(picture: string): Link[] {
  const became = new Map([...server.results.value.values()].filter((one) => one.kept).map((one) => [one.kept!, one]));
  const links: Link[] = [];
  for (let at: string | null = picture; at && !links.some((link) => link.picture === at); ) {
    const result = became.get(at);
    links.unshift({ picture: at, result: result?.id ?? null });
    at = result?.picture ?? null;
  }
  return links;
}
