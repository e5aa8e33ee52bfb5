// Explained: why something is as it is, and what each machine says to it.
import { Text } from '@mantine/core';
import { count } from '../lib/amounts';

interface Verdict {
  node: string;
  fits: boolean;
  lacks: string[];
}

interface Explanation {
  summary: string;
  ahead?: number;
  verdicts: Verdict[];
}

/** `noun`: what stands in line. */
export function Explained({ explanation, noun = 'job' }: { explanation: Explanation; noun?: string }) {
  const { ahead = 0 } = explanation;
  return (
    <>
      <Text size="sm">{explanation.summary}</Text>
      {ahead > 0 && (
        <Text size="sm" c="dimmed">
          {count(ahead, noun)} before it.
        </Text>
      )}
      <div className="rows">
        {explanation.verdicts.map((verdict) => (
          <div key={verdict.node}>
            <b>{verdict.node}</b>
            <span className="grow">{verdict.fits ? 'fits' : verdict.lacks.join('; ')}</span>
          </div>
        ))}
      </div>
    </>
  );
}
