// LogView: a job's output as it comes, the newest line in sight until somebody scrolls up.
import { Button, Group } from '@mantine/core';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { Schemas } from '../api/client';
import { count } from '../lib/amounts';
import { follow } from '../live/follow';
import { ErrorPanel } from './states';

type Line = Schemas['LogLineView'];

const TAIL = 1000;
const KEPT = 5000; // lines in the page; the whole is one download away

interface LogViewProps {
  jobId: string;
  /** One attempt alone; otherwise the latest and what follows. */
  attempt?: number | undefined;
}

export function LogView({ jobId, attempt }: LogViewProps) {
  const [lines, setLines] = useState<Line[]>([]);
  const [isEnded, setEnded] = useState(false);
  const [refused, setRefused] = useState<Error | null>(null);
  const [unseen, setUnseen] = useState(0);
  const box = useRef<HTMLPreElement>(null);
  const isAtEnd = useRef(true);

  useEffect(() => {
    setLines([]);
    setEnded(false);
    setRefused(null);
    setUnseen(0);
    isAtEnd.current = true;
    const query = new URLSearchParams({ follow: 'true', tail: String(TAIL) });
    if (attempt !== undefined) query.set('attempt', String(attempt));
    return follow(`/api/jobs/${encodeURIComponent(jobId)}/logs?${query}`, {
      isLast: (frame) => frame.event === 'end',
      onConnection: (connection) => setEnded(connection === 'ended'),
      onRefused: setRefused,
      onFrames: (frames) => {
        const fresh = frames.filter((frame) => frame.event === 'line').map((frame) => JSON.parse(frame.data) as Line);
        if (fresh.length === 0) return;
        if (!isAtEnd.current) setUnseen((before) => before + fresh.length);
        setLines((before) => [...before, ...fresh].slice(-KEPT));
      },
    });
  }, [jobId, attempt]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: after each drawing of further lines
  useLayoutEffect(() => {
    if (isAtEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);

  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < 8;
    if (isAtEnd.current) setUnseen(0);
  };
  const toEnd = () => {
    isAtEnd.current = true;
    setUnseen(0);
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  const whole = `/api/jobs/${encodeURIComponent(jobId)}/logs${attempt === undefined ? '' : `?attempt=${attempt}`}`;
  if (refused !== null) return <ErrorPanel error={refused} />;
  return (
    <div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
      <pre className="log" ref={box} onScroll={onScroll} tabIndex={0} aria-label="Output" role="log">
        {lines.length === 0 && <span className="dim">{isEnded ? 'It wrote nothing.' : 'Nothing so far…'}</span>}
        {lines.map((line) => (
          <span key={`${line.attempt}:${line.line}`} data-stream={line.stream}>
            {line.text}
            {line.partial ? '' : '\n'}
          </span>
        ))}
      </pre>
      <Group gap="xs" mt={6} justify="space-between">
        <span className="dim">{isEnded ? 'The end' : 'Following'}</span>
        <Group gap="xs">
          {unseen > 0 && (
            <Button size="compact-xs" onClick={toEnd}>
              {count(unseen, 'new line')}
            </Button>
          )}
          <Button size="compact-xs" variant="default" component="a" href={whole} download={`${jobId}.log`}>
            Download
          </Button>
        </Group>
      </Group>
    </div>
  );
}
