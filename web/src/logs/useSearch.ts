// UseSearch: what the server finds in an output, and which lines are around it.
import { useEffect, useMemo, useState } from 'react';
import { asProblem } from '../api/problem';
import { count, grouped } from '../lib/amounts';
import { MOST_HITS, NumberedSource } from './numbered';
import { type Picked, pick } from './picked';
import type { Source } from './source';

const CONTEXT = 3; // lines before and behind

export interface Search {
  /** Numbers of rows, from 1, in order. */
  hits: readonly number[];
  /** The lines to show; null: the source's own. */
  picked: Picked[] | null;
  fault: string | null;
  /** Not still searching. */
  isDone: boolean;
  isHit: (row: number) => boolean;
  told: (current: number) => string;
}

interface Found {
  rows: number[];
  isWhole: boolean;
  fault: string | null;
  isDone: boolean;
}
const NONE: Found = { rows: [], isWhole: true, fault: null, isDone: false };

export function useSearch(source: Source, expression: string): Search {
  const [found, setFound] = useState<Found>(NONE);
  const isNumbered = source instanceof NumberedSource;
  const isReady = source.isLoaded;
  useEffect(() => {
    setFound(NONE);
    if (expression === '' || !isReady || !(source instanceof NumberedSource)) return;
    return source.search(
      expression,
      (rows, isWhole) => setFound({ rows: rows.sort((one, other) => one - other), isWhole, fault: null, isDone: true }),
      (error) => setFound({ ...NONE, fault: asProblem(error).faults[0]?.message ?? error.message }),
    );
  }, [source, expression, isReady]);
  const merged = expression !== '' && !isNumbered ? source.version() : -1;
  const hits = useMemo(
    () =>
      merged < 0
        ? found.rows.map((row) => row + 1)
        : Array.from({ length: source.count }, (_, at) => at + 1).filter(
            (row) => source.row(row - 1)?.isMatch !== false,
          ),
    [source, found, merged],
  );
  const isSearched = expression !== '' && isNumbered;
  const picked = useMemo(
    () => (isSearched ? pick(hits, CONTEXT, source.count) : null),
    [isSearched, hits, source.count],
  );
  const known = useMemo(() => new Set(hits), [hits]);
  return {
    hits,
    picked,
    fault: found.fault,
    isDone: !isSearched || found.isDone || !source.isEnded,
    isHit: (row) => known.has(row + 1),
    told: (current) => {
      if (isNumbered ? !found.isDone : !source.isLoaded) return source.isEnded ? 'Searching…' : 'No match so far';
      const all = found.isWhole ? count(hits.length, 'match', 'matches') : `the newest ${grouped(MOST_HITS)} matches`;
      const at = current < 0 ? -1 : hits.indexOf(current + 1);
      return at < 0 ? all : `${grouped(at + 1)} of ${all}`;
    },
  };
}
