// DataTable: rows of equal height, of which only those in sight are drawn; arrows, Home, End and Enter move in it.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';

export interface Column<Row> {
  name: string;
  /** A CSS grid track, such as `120px` or `minmax(8rem, 2fr)`. */
  width: string;
  /** The first column's cell holds the row's link. */
  cell: (row: Row) => ReactNode;
  /** Left out on phones. */
  wide?: boolean;
  /** Figures stand at the right. */
  right?: boolean;
}

interface DataTableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  idOf: (row: Row) => string;
  /** All there are, also those not loaded. */
  total?: number;
  /** Asked when the last loaded rows come into sight. */
  onNearEnd?: (() => void) | undefined;
  empty?: ReactNode;
}

const ROW_PX = 41;
const PHONE = '(max-width: 640px)';

function useIsPhone(): boolean {
  const [isPhone, setIsPhone] = useState(() => matchMedia(PHONE).matches);
  useEffect(() => {
    const query = matchMedia(PHONE);
    const onChange = () => setIsPhone(query.matches);
    query.addEventListener('change', onChange);
    return () => query.removeEventListener('change', onChange);
  }, []);
  return isPhone;
}

export function DataTable<Row>({ label, columns, rows, idOf, total, onNearEnd, empty }: DataTableProps<Row>) {
  const isPhone = useIsPhone();
  const shown = isPhone ? columns.filter((column) => !column.wide) : columns;
  const scroller = useRef<HTMLDivElement>(null);
  const rowsAt = useRef<HTMLDivElement>(null);
  const [wanted, setWanted] = useState<number | null>(null); // the row that gets the focus once it is drawn
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
    getItemKey: (at) => idOf(rows[at]!),
  });
  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? -1;

  useEffect(() => {
    if (lastShown >= rows.length - 20) onNearEnd?.();
  }, [lastShown, rows.length, onNearEnd]);

  useLayoutEffect(() => {
    if (wanted === null) return;
    const link = rowsAt.current?.querySelector<HTMLElement>(`[data-at="${wanted}"] a, [data-at="${wanted}"] button`);
    if (link) {
      link.focus({ preventScroll: true });
      setWanted(null);
    }
  });

  const onKeyDown = (event: KeyboardEvent) => {
    const row = (event.target as HTMLElement).closest<HTMLElement>('[data-at]');
    if (row === null || rows.length === 0) return;
    const at = Number(row.dataset.at);
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / ROW_PX) - 1);
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = Math.min(rows.length - 1, Math.max(0, to));
    virtual.scrollToIndex(next);
    setWanted(next);
  };

  const template = { gridTemplateColumns: shown.map((column) => column.width).join(' ') };
  if (rows.length === 0 && empty !== undefined) return empty;
  return (
    <div className="table" role="table" aria-label={label} aria-rowcount={(total ?? rows.length) + 1}>
      <div role="rowgroup">
        <div className="table-head" role="row" aria-rowindex={1} style={template}>
          {shown.map((column) => (
            <div key={column.name} role="columnheader" className={column.right ? 'right' : undefined}>
              {column.name}
            </div>
          ))}
        </div>
      </div>
      <div className="table-body" ref={scroller} onKeyDown={onKeyDown} role="rowgroup">
        <div ref={rowsAt} role="presentation" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {items.map((item) => (
            <div
              key={item.key}
              className="table-row"
              role="row"
              aria-rowindex={item.index + 2}
              data-at={item.index}
              style={{ ...template, transform: `translateY(${item.start}px)` }}
            >
              {shown.map((column) => (
                <div key={column.name} role="cell" className={column.right ? 'right' : undefined}>
                  {column.cell(rows[item.index]!)}
                </div>
              ))}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}
