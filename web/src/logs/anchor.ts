// Anchor: a line in an address: "#L120", "#L2.120" for line 120 of attempt or replica 2. Pure.

export interface Anchor {
  /** The attempt or the replica; null: the address does not say. */
  part: number | null;
  line: number;
}

export function parseAnchor(hash: string): Anchor | null {
  const found = /^#?L(?:(\d{1,9})\.)?(\d{1,15})$/.exec(hash);
  if (found === null || Number(found[2]) < 1) return null;
  return { part: found[1] === undefined ? null : Number(found[1]), line: Number(found[2]) };
}

/** Without the "#", as the router takes it. */
export const anchorOf = ({ part, line }: Anchor): string => (part === null ? `L${line}` : `L${part}.${line}`);
