// Data of charts: steps as columns, with a hole where nothing was measured; where marks stand. Pure.

export type Values = (number | null)[];
export interface Steps {
  times: number[];
  columns: Values[];
}

const LEAST_GAP_S = 150; // after a restart the controller has minutes where it had steps of 10 s

/** Columns by time, the oldest first. A gap of more than two steps is a hole: no line leads over it. */
export function withHoles(times: readonly number[], columns: readonly Values[], stepS: number): Steps {
  const gap = Math.max(2.5 * stepS, LEAST_GAP_S);
  const out: Steps = { times: [], columns: columns.map(() => []) };
  times.forEach((time, at) => {
    const before = times[at - 1];
    if (before !== undefined && time - before > gap) {
      out.times.push(before + stepS);
      for (const column of out.columns) column.push(null);
    }
    out.times.push(time);
    columns.forEach((column, number) => {
      out.columns[number]!.push(column[at] ?? null);
    });
  });
  return out;
}

/** The last step that has a value. */
export function lastKnown(values: Values): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

/** On which line each mark stands, so that none covers the one before: `lefts` in pixels, in order. */
export function linesOf(lefts: readonly number[], widthPx: number, lines: number): number[] {
  const ends = Array.from({ length: lines }, () => Number.NEGATIVE_INFINITY);
  return lefts.map((left) => {
    const free = ends.findIndex((end) => left >= end);
    const line = Math.max(free, 0);
    ends[line] = left + widthPx;
    return line;
  });
}
