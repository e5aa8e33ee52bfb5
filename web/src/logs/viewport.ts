// Viewport: which rows are drawn, and where, of any number of rows of any heights. Pure.
//
// At a scroll position of r (0 at the top, 1 at the end), the point at r of the rows is at r of the box. So both ends are
// exact, nothing has to be known of rows that are not drawn, and a million rows need no element of a million heights.

export const TALLEST_PX = 12_000_000; // browsers make elements of about 17 (Firefox) or 33 million px and no more
const AROUND = 20; // rows drawn beyond the edges, so that scrolling shows no blank

export interface Geometry {
  rows: number;
  /** Of a row, on average. */
  rowPx: number;
  boxPx: number;
}

export interface Drawn {
  from: number;
  to: number; // excluded
  /** The row that is placed, and at which share of its height it has to be `placePx` below the top of the box. */
  anchor: number;
  share: number;
  placePx: number;
}

/** The height of what is scrolled. */
export const innerPx = ({ rows, rowPx }: Geometry): number => Math.min(rows * rowPx, TALLEST_PX);

export function drawn(geometry: Geometry, scrollPx: number): Drawn {
  const { rows, rowPx, boxPx } = geometry;
  const most = innerPx(geometry) - boxPx;
  const ratio = most <= 0 ? 0 : Math.min(1, Math.max(0, scrollPx / most));
  const point = ratio * rows;
  const anchor = Math.max(0, Math.min(rows - 1, Math.floor(point)));
  const before = Math.ceil((ratio * boxPx) / rowPx) + AROUND;
  const behind = Math.ceil(((1 - ratio) * boxPx) / rowPx) + AROUND;
  return {
    from: Math.max(0, anchor - before),
    to: Math.min(rows, anchor + behind + 1),
    anchor,
    share: point - anchor,
    placePx: ratio * boxPx,
  };
}

/** Where to scroll so that row `at` is in the middle of the box. */
export function scrollTo(geometry: Geometry, at: number): number {
  const { rows, rowPx, boxPx } = geometry;
  const inner = innerPx(geometry);
  const top = ((at + 0.5) / rows) * inner - boxPx / 2;
  if (inner < rows * rowPx) {
    // Squeezed: a step of one row is less than a row, so the middle is found from both ends' rule.
    const visible = boxPx / rowPx;
    const ratio = (at + 0.5 - visible / 2) / Math.max(1, rows - visible);
    return Math.min(1, Math.max(0, ratio)) * (inner - boxPx);
  }
  return Math.min(Math.max(0, top), Math.max(0, inner - boxPx));
}
