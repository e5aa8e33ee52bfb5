// Fields: values out of what is typed into a form. Pure.

/** The lines that say something. */
export const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

/** NAME=VALUE, one a line; `fault` says what is wrong with the last line that is not so. */
export function pairsOf(text: string): { pairs: Record<string, string>; fault?: string } {
  const pairs: Record<string, string> = {};
  let fault: string | undefined;
  for (const line of linesOf(text)) {
    const at = line.indexOf('=');
    if (at < 1) fault = `"${line}" is not NAME=VALUE.`;
    else pairs[line.slice(0, at)] = line.slice(at + 1);
  }
  return fault === undefined ? { pairs } : { pairs, fault };
}

export const joinPairs = (pairs: Record<string, string>): string =>
  Object.entries(pairs)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');

/** The number in `text`: undefined where nothing is said, null where that is none. */
export function numberIn(text: string): number | undefined | null {
  if (text.trim() === '') return undefined;
  const value = Number(text.trim());
  return Number.isFinite(value) ? value : null;
}
