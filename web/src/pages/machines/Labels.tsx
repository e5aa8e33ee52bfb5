// Labels of a machine, by which jobs and apps ask for it.
import { Button, Modal, Stack, Text, Textarea } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { type FormEvent, useState } from 'react';
import { api, type Machine, take } from '../../api/client';
import { asProblem } from '../../api/problem';
import { keys } from '../../api/queries';
import { joinPairs, pairsOf } from '../../lib/fields';
import { shellQuote } from '../../lib/shell';
import { useAct } from '../../ui/act';
import { SameAs } from '../../ui/Copy';
import { useMay } from '../../ui/may';
import { Facts, Section } from '../../ui/Page';
import { ErrorPanel } from '../../ui/states';
import { changedLabels } from './changes';

export function Labels({ machine }: { machine: Machine }) {
  const mayAdminister = useMay('administer');
  const [isEditing, editing] = useDisclosure(false);
  return (
    <Section
      title="Labels"
      beside={
        mayAdminister &&
        machine.state !== 'left' && (
          <Button size="compact-sm" variant="subtle" onClick={editing.open}>
            Change…
          </Button>
        )
      }
    >
      {Object.keys(machine.labels).length === 0 ? (
        <Text size="sm" c="dimmed">
          None.
        </Text>
      ) : (
        <Facts of={Object.entries(machine.labels)} />
      )}
      <Modal opened={isEditing} onClose={editing.close} title={`Labels of ${machine.name}`}>
        <Edit machine={machine} onDone={editing.close} />
      </Modal>
    </Section>
  );
}

function Edit({ machine, onDone }: { machine: Machine; onDone: () => void }) {
  const [text, setText] = useState(joinPairs(machine.labels));
  const { pairs, fault } = pairsOf(text);
  const changes = changedLabels(machine.labels, pairs);
  const put = useAct({
    do: () => take(api.PATCH('/api/nodes/{id}', { params: { path: { id: machine.id } }, body: { labels: changes } })),
    done: `The labels of ${machine.name} are changed`,
    stale: [keys.nodes],
    after: onDone,
    quiet: true,
  });
  const problem = put.error === null ? null : asProblem(put.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    put.mutate(undefined);
  };
  const words = Object.entries(changes).map(([name, value]) => (value === null ? `${name}-` : `${name}=${value}`));
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Textarea
          label="Labels"
          description="name=value, one a line. Jobs and apps ask for them: node.labels.disk == ssd"
          placeholder="disk=ssd"
          data-autofocus
          autosize
          minRows={3}
          maxRows={12}
          spellCheck={false}
          value={text}
          error={fault}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {problem !== null && <ErrorPanel error={problem} />}
        <div>
          <Button type="submit" loading={put.isPending} disabled={fault !== undefined || words.length === 0}>
            Change them
          </Button>
        </div>
        {words.length > 0 && (
          <SameAs command={`draas nodes label ${machine.name} ${words.map(shellQuote).join(' ')}`} />
        )}
      </Stack>
    </form>
  );
}
