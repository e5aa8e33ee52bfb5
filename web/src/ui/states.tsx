// What a page shows instead of its content: nothing there yet, an error, still loading.
import { Alert, Button, Skeleton, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { asProblem } from '../api/problem';
import { Icon } from './icons';

/** Nothing is there: says so, and what to do next. */
export function EmptyState({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Text fw={600}>{title}</Text>
      <div>{children}</div>
    </div>
  );
}

/** An error as the API told it, with every wrong field. */
export function ErrorPanel({ error, onRetry }: { error: unknown; onRetry?: (() => void) | undefined }) {
  const problem = asProblem(error);
  return (
    <Alert color="red" variant="light" role="alert" icon={<Icon name="alert" />} title={problem.title}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{problem.message}</Text>
        {problem.faults.length > 1 && (
          <ul className="faults">
            {problem.faults.map((fault) => (
              <li key={fault.path + fault.message}>
                <code>{fault.path || 'body'}</code> {fault.message}
              </li>
            ))}
          </ul>
        )}
        {onRetry !== undefined && (
          <Button size="xs" variant="default" onClick={onRetry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

export function Loading({ rows = 4 }: { rows?: number }) {
  return (
    <Stack gap="sm" aria-busy="true" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, at) => (
        <Skeleton key={at} height={28} radius="sm" />
      ))}
    </Stack>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

/** What a query gave: its content while there is any, even if reading it again fails. */
export function Answer<T>({ of, rows, children }: { of: Asked<T>; rows?: number; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return children(of.data);
  if (of.error) return <ErrorPanel error={of.error} onRetry={() => void of.refetch()} />;
  return <Loading rows={rows ?? 4} />;
}
