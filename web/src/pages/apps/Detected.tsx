// Detected: what a source will be built as, by the builder's own rules, with the Dockerfile that will be made for it.
import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, type Schemas, take } from '../../api/client';
import { CopyButton } from '../../ui/Copy';
import type { Source } from './source';

const MOST_FILES = 50_000; // as the API takes them

type Found = Schemas['DetectView'];

/** Asks with the names of the files, then once more with the texts of those that decide. */
async function detect(source: Source, signal: AbortSignal): Promise<Found> {
  const files = (source.paths ?? []).filter((path) => !path.endsWith('/'));
  const ask = (texts: Record<string, string>) =>
    take(api.POST('/api/builds/detect', { body: { files, texts }, signal }));
  const { reads } = await ask({});
  const read = await Promise.all(reads.map(async (path) => [path, await source.read(path)] as const));
  return ask(Object.fromEntries(read.filter((one): one is [string, string] => one[1] !== null)));
}

/** `source` null, or one whose names cannot be read here: nothing is known before the builder has it. */
export function useDetected(source: Source | null) {
  const isKnown = source?.paths != null && source.paths.length <= MOST_FILES;
  return useQuery({
    queryKey: ['detected', source?.name, source?.size, source?.paths?.length, source?.chosenAt],
    queryFn: ({ signal }) => detect(source!, signal),
    enabled: isKnown,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  }).data;
}

export function Detected({ found }: { found: Found }) {
  if (found.refusal) {
    return (
      <div role="alert">
        <Text size="sm">Nothing can be built of it as it is: {found.refusal}.</Text>
        {found.looked_for.length > 0 && (
          <>
            <Text size="sm" mt={4}>
              Looked for:
            </Text>
            <ul className="looked-for">
              {found.looked_for.map((one) => (
                <li key={one}>{one}</li>
              ))}
            </ul>
          </>
        )}
      </div>
    );
  }
  const because = found.because.join(', ');
  return (
    <div>
      <Text size="sm">
        It is built as <b>{found.kind}</b>
        {because !== found.kind && `, by ${because}`}
        {found.port !== null && `; it listens on port ${found.port}`}
        {found.folder !== '' && `; the folder ${found.folder} is built`}.
      </Text>
      {found.dockerfile !== '' && (
        <details className="detected" open={found.made}>
          <summary>{found.made ? 'The Dockerfile that will be made for it' : 'Its own Dockerfile'}</summary>
          <div className="detected-code">
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
            <pre className="code-block" tabIndex={0} role="region" aria-label="Dockerfile">
              {found.dockerfile}
            </pre>
            <CopyButton value={found.dockerfile} label="Copy the Dockerfile" />
          </div>
        </details>
      )}
    </div>
  );
}
