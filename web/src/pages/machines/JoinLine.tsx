// JoinLine: a line to paste on the machine that shall join, good for an hour and for one machine.
import { Button, Stack, Text } from '@mantine/core';
import { api, take } from '../../api/client';
import { freshKey } from '../../lib/key';
import { duration } from '../../lib/time';
import { useAct } from '../../ui/act';
import { CopyLine } from '../../ui/Copy';
import { useNow } from '../../ui/TimeAgo';

export function JoinLine() {
  const make = useAct({
    do: () => take(api.POST('/api/join-tokens', { body: {}, params: { header: { 'Idempotency-Key': freshKey() } } })),
  });
  const now = useNow();
  const left = make.data ? (Date.parse(make.data.expires_at) - now) / 1000 : 0;
  if (make.data === undefined || left <= 0) {
    return (
      <Button size="xs" variant="default" loading={make.isPending} onClick={() => make.mutate(undefined)}>
        {make.data === undefined ? 'Make a join line' : 'It has expired: make another'}
      </Button>
    );
  }
  return (
    <Stack gap={4}>
      <Text size="sm">On the machine that shall join, with DRaaS installed there:</Text>
      <CopyLine line={make.data.command} />
      <Text size="sm" c="dimmed" className="figure">
        For one machine, within {duration(left)}. It appears here by itself.
      </Text>
    </Stack>
  );
}
