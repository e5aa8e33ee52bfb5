// Dag: where jobs that need each other are drawn: each to the right of all that it needs. Pure.

export interface Needing {
  id: string;
  needs: readonly string[];
}
export interface Place {
  id: string;
  column: number;
  row: number;
}

/** The jobs that `job` needs, and they need, and so on, of those that are known; and the ids that are not. */
export function needsOf<Job extends Needing>(
  job: Job,
  known: ReadonlyMap<string, Job>,
  most: number,
): [Job[], string[]] {
  const found = new Map<string, Job>([[job.id, job]]);
  const unknown = new Set<string>();
  for (const one of found.values()) {
    for (const id of one.needs) {
      const other = known.get(id);
      if (found.size + unknown.size >= most && !found.has(id)) continue;
      if (other === undefined) unknown.add(id);
      else found.set(id, other);
    }
  }
  return [[...found.values()], [...unknown]];
}

/** Columns by the longest way from a job that needs none of these; rows in the order given. */
export function placesOf(jobs: readonly Needing[]): Place[] {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const columns = new Map<string, number>();
  const columnOf = (id: string, above: ReadonlySet<string>): number => {
    const known = columns.get(id);
    if (known !== undefined) return known;
    const needs = byId.get(id)!.needs.filter((need) => byId.has(need) && !above.has(need));
    const column =
      needs.length === 0 ? 0 : 1 + Math.max(...needs.map((need) => columnOf(need, new Set([...above, id]))));
    columns.set(id, column);
    return column;
  };
  const taken = new Map<number, number>();
  return jobs.map(({ id }) => {
    const column = columnOf(id, new Set());
    const row = taken.get(column) ?? 0;
    taken.set(column, row + 1);
    return { id, column, row };
  });
}
