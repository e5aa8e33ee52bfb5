// Marks: which pieces of a line the search has found. The server has decided that the line matches (RE2); this only draws. Pure.

export type Range = [from: number, to: number];

const LOOKED_AT = 2000;
const MOST = 100;

/** As a regular expression of the browser, or null where that could take long or means something else: the row is marked then. */
export function markable(expression: string): RegExp | null {
  const quantifiers = expression.replaceAll(/\\./g, '').match(/[*+{]/g)?.length ?? 0;
  if (quantifiers > 1 || /\)\s*[*+{]/.test(expression)) return null;
  const isFolded = expression.startsWith('(?i)');
  try {
    return new RegExp(isFolded ? expression.slice(4) : expression, isFolded ? 'gi' : 'g');
  } catch {
    return null;
  }
}

/** Where `wanted` matches in `text`, in order, none of them empty. */
export function marksIn(text: string, wanted: RegExp | null): Range[] {
  if (wanted === null) return [];
  const found: Range[] = [];
  for (const match of text.slice(0, LOOKED_AT).matchAll(wanted)) {
    if (match[0] !== '') found.push([match.index, match.index + match[0].length]);
    if (found.length === MOST) break;
  }
  return found;
}

/** Pieces of `length` characters cut at the edges of `ranges`: [from, to, whether it is marked]. */
export function cutBy(ranges: readonly Range[], from: number, to: number): [number, number, boolean][] {
  const pieces: [number, number, boolean][] = [];
  let at = from;
  for (const [begin, end] of ranges) {
    if (end <= at || begin >= to) continue;
    if (begin > at) pieces.push([at, begin, false]);
    pieces.push([Math.max(at, begin), Math.min(end, to), true]);
    at = Math.min(end, to);
  }
  if (at < to) pieces.push([at, to, false]);
  return pieces;
}
