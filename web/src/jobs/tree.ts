// The drawn chain: every picture that was kept stands behind the one it was made from, branches below each other.
import type { Result } from "../api";

/** A picture in the drawing: its column is the number of edits that led to it. */
export interface Node {
  picture: string;
  from: Result | null; // the result that became it; null at the beginning
  column: number;
  row: number;
  parent: Node | null;
  results: number; // made from it, whether kept or not
}

/** Trees of pictures that results were kept from; that of `current` comes first, then the newest. */
export function trees(results: Result[], current: string | null): Node[][] {
  const sorted = [...results].sort((a, b) => a.created - b.created);
  const children = new Map<string, Result[]>();
  const made = new Map<string, number>();
  const became = new Map<string, Result>();
  for (const one of sorted) {
    made.set(one.picture, (made.get(one.picture) ?? 0) + 1);
    if (!one.kept || became.has(one.kept) || one.kept === one.picture) continue;
    became.set(one.kept, one);
    children.set(one.picture, [...(children.get(one.picture) ?? []), one]);
  }
  const roots = [...children.keys()].filter((picture) => !became.has(picture));
  const drawn = roots.map((picture) => {
    const nodes: Node[] = [];
    const seen = new Set<string>();
    let rows = 0;
    const place = (picture: string, from: Result | null, parent: Node | null): Node => {
      const node: Node = { picture, from, column: parent ? parent.column + 1 : 0, row: rows, parent, results: made.get(picture) ?? 0 };
      nodes.push(node);
      seen.add(picture);
      const next = (children.get(picture) ?? []).filter((one) => !seen.has(one.kept!));
      next.forEach((one, k) => {
        if (k) rows++;
        place(one.kept!, one, node);
      });
      return node;
    };
    place(picture, null, null);
    return nodes;
  });
  const newest = (nodes: Node[]): number => Math.max(...nodes.map((one) => one.from?.created ?? 0));
  const holds = (nodes: Node[]): number => Number(nodes.some((one) => one.picture === current));
  return drawn.sort((a, b) => holds(b) - holds(a) || newest(b) - newest(a));
}

/** Pictures from the first to this one; a result names the picture it was made from and, once kept, the one it became. */
export function lineage(results: Result[], picture: string): { picture: string; result: string | null }[] {
  const became = new Map(results.filter((one) => one.kept).map((one) => [one.kept!, one]));
  const links: { picture: string; result: string | null }[] = [];
  for (let at: string | null = picture; at && !links.some((link) => link.picture === at); ) {
    const result = became.get(at);
    links.unshift({ picture: at, result: result?.id ?? null });
    at = result?.picture ?? null;
  }
  return links;
}
