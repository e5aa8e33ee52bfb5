// Labels: what is to be changed to get from some to others. Pure.

/** As the API takes it: a new value, or null for a label that goes. */
export function changedLabels(from: Record<string, string>, to: Record<string, string>): Record<string, string | null> {
  const changes: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(to)) if (from[name] !== value) changes[name] = value;
  for (const name of Object.keys(from)) if (!(name in to)) changes[name] = null;
  return changes;
}
