// Match: entries by a few typed letters, the best first. Pure.

/** How well `words` fit `label`: each word must be in it; at a word's beginning is better, early is better. Null: not. */
export function score(words: string, label: string): number | null {
  const text = label.toLowerCase();
  let sum = 0;
  for (const word of words.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = text.indexOf(word);
    if (at < 0) return null;
    const begins = at === 0 || /[\s\-_./]/.test(text[at - 1]!);
    sum += (begins ? 10 : 2) - Math.min(at, 50) / 100;
  }
  return sum;
}

/** Those that fit, best first, equal ones in their order. */
export function bestMatches<T>(words: string, all: readonly T[], labelOf: (one: T) => string): T[] {
  return all
    .map((one) => [one, score(words, labelOf(one))] as const)
    .filter((scored): scored is readonly [T, number] => scored[1] !== null)
    .sort((a, b) => b[1] - a[1])
    .map(([one]) => one);
}
