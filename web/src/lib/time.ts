// Times for people. Pure: told what the time is.

const UNITS: [number, string][] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
];

/** "3 min ago", "in 2 h", "now". */
export function ago(at: string, nowMs: number): string {
  const seconds = Math.round((nowMs - Date.parse(at)) / 1000);
  if (Math.abs(seconds) < 2) return 'now';
  const amount = duration(Math.abs(seconds));
  return seconds > 0 ? `${amount} ago` : `in ${amount}`;
}

/** "2026-03-01 14:05:09", where the reader is. */
export function exactTime(at: string): string {
  const time = new Date(at);
  const two = (part: number) => String(part).padStart(2, '0');
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-');
  return `${day} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')}`;
}

/** The largest unit alone beyond ten of it, else two: "45 s", "3 min 20 s", "2 h 5 min", "12 d". */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  const whole = Math.round(seconds);
  const at = UNITS.findIndex(([size]) => whole >= size);
  const [size, unit] = UNITS[at]!;
  const count = Math.floor(whole / size);
  const next = UNITS[at + 1];
  if (next === undefined || count >= 10) return `${count} ${unit}`;
  const rest = Math.floor((whole % size) / next[0]);
  return rest ? `${count} ${unit} ${rest} ${next[1]}` : `${count} ${unit}`;
}

/** Seconds between two times; `nowMs` stands for an end that is not there yet. Null where there is no beginning. */
export function span(from: string | null, to: string | null, nowMs: number): number | null {
  if (from === null) return null;
  return Math.max(0, ((to === null ? nowMs : Date.parse(to)) - Date.parse(from)) / 1000);
}
