// Remove: a machine leaves for good, and its key ends with it.
import { Button, Modal, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useNavigate } from '@tanstack/react-router';
import { api, type Machine, take } from '../../api/client';
import { keys } from '../../api/queries';
import { count } from '../../lib/amounts';
import { useAct } from '../../ui/act';
import { SameAs } from '../../ui/Copy';
import { useMay } from '../../ui/may';
import { useReplicasOn } from './replicas';

export function RemoveButton({ machine }: { machine: Machine }) {
  const mayAdminister = useMay('administer');
  const [isAsking, asking] = useDisclosure(false);
  if (!mayAdminister || machine.state === 'left') return null;
  return (
    <>
      <Button variant="default" onClick={asking.open}>
        Remove…
      </Button>
      <Modal opened={isAsking} onClose={asking.close} title={`Remove ${machine.name}`}>
        <Ask machine={machine} />
      </Modal>
    </>
  );
}

function Ask({ machine }: { machine: Machine }) {
  const navigate = useNavigate();
  const replicas = useReplicasOn(machine);
  const isEmptied = replicas.length === 0;
  const remove = useAct({
    do: () => take(api.DELETE('/api/nodes/{id}', { params: { path: { id: machine.id } } })),
    done: `${machine.name} is removed`,
    stale: [keys.nodes, keys.apps, keys.allKeys],
    after: () => void navigate({ to: '/machines' }),
  });
  return (
    <Stack gap="sm" align="flex-start">
      <Text size="sm">
        It leaves for good: its key ends, and jobs that run there are run elsewhere. To come back it has to join again.
      </Text>
      {!isEmptied && (
        <Text size="sm">
          {count(replicas.length, 'replica')} of apps are there. Drain it first and wait until they have moved, else
          they are missing until others have started.
        </Text>
      )}
      <Button color="red" loading={remove.isPending} onClick={() => remove.mutate(undefined)}>
        {isEmptied ? 'Remove it' : 'Remove it at once'}
      </Button>
      <SameAs command={`draas nodes rm ${machine.name}${isEmptied ? '' : ' --force'}`} />
    </Stack>
  );
}
