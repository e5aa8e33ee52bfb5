// Picked: the lines that a search shows: what it found, with some lines around each. Pure.

export interface Picked {
  line: number;
  isHit: boolean;
  /** Lines are left out before this one. */
  isAfterGap: boolean;
}

/** `hits` in ascending order; `last` is the number of the last line. */
export function pick(hits: readonly number[], context: number, last: number): Picked[] {
  const picked: Picked[] = [];
  let next = 1; // the first line that is not there yet
  for (let at = 0; at < hits.length; at++) {
    const hit = hits[at]!;
    const to = Math.max(hit, Math.min(last, hit + context, (hits[at + 1] ?? Number.POSITIVE_INFINITY) - 1));
    for (let line = Math.max(next, hit - context); line <= to; line++) {
      picked.push({ line, isHit: line === hit, isAfterGap: line > (picked.at(-1)?.line ?? 0) + 1 });
    }
    next = Math.max(next, to + 1);
  }
  return picked;
}

/** The place in `hits` of the next one behind `line` (before it, with `isBack`), around the end. -1 where there is none. */
export function nextHit(hits: readonly number[], line: number, isBack: boolean): number {
  if (hits.length === 0) return -1;
  if (isBack) {
    const at = hits.findLastIndex((hit) => hit < line);
    return at < 0 ? hits.length - 1 : at;
  }
  const at = hits.findIndex((hit) => hit > line);
  return Math.max(0, at);
}
