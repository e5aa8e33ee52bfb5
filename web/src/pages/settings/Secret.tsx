// Secret: a key that is shown this once, to be copied.
import { Alert, Button, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { sessionQuery } from '../../api/queries';
import { CopyButton, CopyLine } from '../../ui/Copy';
import { Icon } from '../../ui/icons';

export function Secret({ secret, onDone }: { secret: string; onDone: () => void }) {
  const url = useQuery(sessionQuery).data?.url ?? '';
  return (
    <Stack gap="md">
      <Alert
        color="orange"
        variant="light"
        icon={<Icon name="alert" />}
        title="Copy it now"
        styles={{ title: { color: 'var(--wait)' } }} // orange on orange is too pale for some
      >
        It is not kept anywhere and cannot be shown again.
      </Alert>
      <div className="secret" role="group" aria-label="The key">
        <code>{secret}</code>
        <CopyButton value={secret} label="Copy the key" />
      </div>
      <div>
        <Text size="sm">On the machine that is to use it:</Text>
        <CopyLine line={`export DRAAS_URL=${url} DRAAS_KEY=${secret}`} label="Copy the lines" />
      </div>
      <div>
        <Button onClick={onDone}>I have copied it</Button>
      </div>
    </Stack>
  );
}
