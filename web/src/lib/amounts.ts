// Amounts for people. Pure.

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** "1.5 GiB": three figures at most. */
export function bytes(count: number): string {
  let at = 0;
  let value = count;
  while (value >= 999.5 && at < SIZES.length - 1) {
    value /= 1024;
    at++;
  }
  return `${at === 0 || value >= 99.95 ? Math.round(value) : Number(value.toFixed(value >= 9.995 ? 1 : 2))} ${SIZES[at]}`;
}

/** "1 core", "2.5 cores". */
export function cores(count: number): string {
  const value = Number(count.toFixed(2));
  return `${value} ${value === 1 ? 'core' : 'cores'}`;
}

/** "12,000". Not by Intl, whose first use takes longer than drawing a page. */
export function grouped(whole: number): string {
  return String(whole).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** "1 job", "12,000 jobs". */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(number)} ${number === 1 ? noun : plural}`;
}

/** Of `part` in `whole`, 0..100. */
export function percent(part: number, whole: number): number {
  return whole > 0 ? Math.min(100, Math.max(0, (100 * part) / whole)) : 0;
}
