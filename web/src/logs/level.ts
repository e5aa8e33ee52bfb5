// Level: how serious a line says it is. Pure.

export type Level = 'debug' | 'info' | 'warn' | 'error';

const LOOKED_AT = 160; // programs say it near the beginning
const WORDS: [Level, RegExp][] = [
  ['error', /(?:^|[^\w-])(?:ERROR|ERR|FATAL|CRITICAL|CRIT|PANIC|EMERG|ALERT|SEVERE)(?:[^\w-]|$)/],
  ['warn', /(?:^|[^\w-])(?:WARN|WARNING)(?:[^\w-]|$)/],
  ['info', /(?:^|[^\w-])(?:INFO|NOTICE)(?:[^\w-]|$)/],
  ['debug', /(?:^|[^\w-])(?:DEBUG|TRACE)(?:[^\w-]|$)/],
];
const FIELD = /(?:["']?(?:level|lvl|severity|log\.level)["']?\s*[:=]\s*["']?)(\w+)/i;
const HEAD = /^(?:\[?(error|fatal|critical|panic|warn|warning|info|notice|debug|trace)\]?:|E\d{4} |W\d{4} |I\d{4} )/i;
const NUMBERS: Record<string, Level> = { 10: 'debug', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'error' };

/** The level of a line without escape sequences; null where it says none. */
export function levelOf(text: string): Level | null {
  const begin = text.slice(0, LOOKED_AT);
  const field = FIELD.exec(text.slice(0, 4 * LOOKED_AT));
  if (field !== null) return NUMBERS[field[1]!] ?? named(field[1]!.toUpperCase());
  const found = named(begin);
  if (found !== null) return found;
  const head = HEAD.exec(begin);
  if (head === null) return null;
  return head[1] === undefined
    ? ({ E: 'error', W: 'warn', I: 'info' } as const)[begin[0]!]!
    : named(head[1].toUpperCase());
}

function named(text: string): Level | null {
  let best: [number, Level] | null = null;
  for (const [level, words] of WORDS) {
    const at = text.search(words);
    if (at >= 0 && (best === null || at < best[0])) best = [at, level];
  }
  return best?.[1] ?? null;
}
