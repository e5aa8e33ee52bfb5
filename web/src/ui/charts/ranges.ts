// Ranges: how far back charts reach, as addresses have it. The controller keeps finer figures for a shorter time. Pure.
import { bytes } from '../../lib/amounts';

export const RANGES = [
  { key: '1h', label: '1 h', told: 'the last hour', seconds: 3600, againMs: 10_000 },
  { key: '24h', label: '24 h', told: 'the last 24 hours', seconds: 86_400, againMs: 60_000 },
  { key: '7d', label: '7 d', told: 'the last 7 days', seconds: 7 * 86_400, againMs: 60_000 },
  { key: '5w', label: '5 weeks', told: 'the last 5 weeks', seconds: 35 * 86_400, againMs: 60_000 },
] as const;
export type Range = (typeof RANGES)[number];
export type RangeKey = Range['key'];

/** What an address says; undefined where it says nothing, or nonsense: then it is the hour. */
export function readRange(given: unknown): RangeKey | undefined {
  const found = RANGES.find((range) => range.key === given);
  return found === undefined || found === RANGES[0] ? undefined : found.key;
}

export function rangeOf(key: RangeKey | undefined): Range {
  return RANGES.find((range) => range.key === key) ?? RANGES[0];
}

/** Age in the API's words. */
export function sinceOf(range: Range): string {
  return `${range.seconds}s`;
}

const DAY_S = 86_400;
const two = (value: number) => String(value).padStart(2, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const dayOf = (at: Date) => `${at.getDate()} ${MONTHS[at.getMonth()]}`;
const clockOf = (at: Date) => `${two(at.getHours())}:${two(at.getMinutes())}`;

/** A tick of the time axis, which has one each `everyS` seconds: "14:05", "25 Nov". */
export function tickText(seconds: number, everyS: number): string {
  const at = new Date(seconds * 1000);
  const isMidnight = at.getHours() === 0 && at.getMinutes() === 0;
  return everyS >= DAY_S || isMidnight ? dayOf(at) : clockOf(at);
}

/** A moment in full: "25 Nov 14:05:30"; without seconds where steps are longer. */
export function momentText(seconds: number, stepS: number): string {
  const at = new Date(seconds * 1000);
  return `${dayOf(at)} ${clockOf(at)}${stepS < 60 ? `:${two(at.getSeconds())}` : ''}`;
}

export const asPercent = (value: number) => `${Math.round(value)} %`;
export const asByteRate = (value: number) => `${bytes(value)}/s`;
/** Three figures: "0.05", "12.3", "1,234". */
export function asFigure(value: number): string {
  if (value >= 99.95) return Math.round(value).toLocaleString('en');
  return String(Number(value.toFixed(value >= 9.995 ? 1 : 2)));
}
export const asRate = (value: number) => `${asFigure(value)}/s`;
export const asMs = (value: number) => (value >= 999.5 ? `${asFigure(value / 1000)} s` : `${asFigure(value)} ms`);
