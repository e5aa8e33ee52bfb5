// Pages: the loaded part of a long list that changes while it is looked at. Pure.
import type { JobSummary, Schemas } from '../../api/client';

export interface Loaded {
  items: JobSummary[];
  /** The cursor of the jobs below; null where all are loaded. */
  next: string | null;
  total: number;
}

type Page = Schemas['JobList'];

/** `loaded` with the page that follows it. */
export function append(loaded: Loaded, page: Page): Loaded {
  const known = new Set(loaded.items.map((job) => job.id));
  const fresh = page.items.filter((job) => !known.has(job.id));
  return { items: [...loaded.items, ...fresh], next: page.next, total: page.total };
}

/**
 * `loaded` after its first page was read again. What stands below that page's last job is kept; where that one is not
 * known, more than a page has come meanwhile, and the list begins anew: without a gap, rather than with one nobody sees.
 */
export function refresh(loaded: Loaded, first: Page): Loaded {
  const last = first.items.at(-1);
  const at = last === undefined ? -1 : loaded.items.findIndex((job) => job.id === last.id);
  if (at < 0 || first.next === null) return { items: first.items, next: first.next, total: first.total };
  const below = loaded.items.slice(at + 1);
  return { items: [...first.items, ...below], next: below.length > 0 ? loaded.next : first.next, total: first.total };
}

/** `loaded` with newer versions of single jobs; null for one that does not belong to it any more. */
export function replace(loaded: Loaded, changed: ReadonlyMap<string, JobSummary | null>): Loaded {
  const items = loaded.items.flatMap((job) => {
    const now = changed.get(job.id);
    return now === undefined ? [job] : now === null ? [] : [now];
  });
  return { ...loaded, items };
}
