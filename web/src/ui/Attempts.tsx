// Attempts: each try of a job or a build, the newest first, with what ended it.
import type { Attempt } from '../api/client';
import { bytes, count } from '../lib/amounts';
import { duration } from '../lib/time';
import { NodeLink } from './NodeLink';
import { Section } from './Page';
import { StateBadge } from './StateBadge';
import { Duration, TimeAgo } from './TimeAgo';

export function Attempts({ attempts }: { attempts: readonly Attempt[] }) {
  if (attempts.length === 0) return null;
  return (
    <Section title={count(attempts.length, 'attempt')}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by the keyboard */}
      <div className="scroll-x" tabIndex={0} role="region" aria-label="Attempts">
        <table className="plain">
          <thead>
            <tr>
              <th>No.</th>
              <th>State</th>
              <th>Node</th>
              <th>Exit</th>
              <th>Started</th>
              <th>Took</th>
              <th>Memory</th>
              <th>CPU</th>
              <th>Why</th>
            </tr>
          </thead>
          <tbody>
            {attempts.toReversed().map((attempt) => (
              <tr key={attempt.id}>
                <td className="figure">{attempt.number}</td>
                <td>
                  <StateBadge state={attempt.state} />
                </td>
                <td>
                  <NodeLink name={attempt.node} />
                </td>
                <td className="figure">{attempt.exit_code ?? '–'}</td>
                <td>
                  <TimeAgo at={attempt.started_at} />
                </td>
                <td>
                  <Duration from={attempt.started_at} to={attempt.finished_at} />
                </td>
                <td className="figure">
                  {attempt.peak_memory_bytes === null ? '–' : bytes(attempt.peak_memory_bytes)}
                </td>
                <td className="figure">{attempt.cpu_s === null ? '–' : duration(attempt.cpu_s)}</td>
                <td>{[attempt.cause.replaceAll('_', ' '), attempt.detail].filter(Boolean).join(': ') || '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}
