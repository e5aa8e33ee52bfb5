// Json: a line that is a JSON object, spread over several. Pure.

const LONGEST = 256 * 1024;

/** Whether a line may be expanded: cheap, for each line that is drawn. */
export function looksLikeJson(text: string): boolean {
  const trimmed = text.trim();
  return (
    trimmed.length > 2 &&
    trimmed.length <= LONGEST &&
    ((trimmed.startsWith('{') && trimmed.endsWith('}')) || (trimmed.startsWith('[') && trimmed.endsWith(']')))
  );
}

/** The same JSON with a line for each member; null where it is none. Numbers and strings stay as they were written. */
export function indentJson(text: string): string | null {
  if (!looksLikeJson(text)) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const out: string[] = [];
  let depth = 0;
  let isOpen = false; // behind a bracket that may be closed at once
  const newLine = () => out.push(`\n${'  '.repeat(Math.min(depth, 100))}`);
  for (const token of text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? []) {
    const isClosing = token === '}' || token === ']';
    if (isClosing) depth--;
    if (isOpen !== isClosing) newLine();
    isOpen = token === '{' || token === '[';
    if (isOpen) depth++;
    out.push(token === ':' ? ': ' : token);
    if (token === ',') newLine();
  }
  return out.join('');
}
