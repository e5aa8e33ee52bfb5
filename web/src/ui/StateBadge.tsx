// StateBadge: a state in a word, with the colour of its meaning; the dot's shape says it without colour, too.
import { toneOf } from './tone';

export function StateBadge({ state }: { state: string }) {
  return (
    <span className="state" data-tone={toneOf(state)} data-state={state}>
      <span className="state-dot" aria-hidden="true" />
      {state}
    </span>
  );
}
