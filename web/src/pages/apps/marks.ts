// Marks: the moments from which releases rolled out. Pure.
import type { AppDetail } from '../../api/client';

export interface ReleaseMark {
  /** Unix seconds. */
  at: number;
  number: number;
  state: string;
}

/** The oldest first. One that waits, or was passed over, has not begun. */
export function marksOf(releases: AppDetail['releases']): ReleaseMark[] {
  return releases
    .flatMap(({ number, state, rolling_at }) =>
      rolling_at === null ? [] : [{ at: Date.parse(rolling_at) / 1000, number, state }],
    )
    .sort((one, other) => one.at - other.at);
}
