// Machines: all of them, with their load.
import { Button, Modal } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Machine } from '../../api/client';
import { nodesQuery } from '../../api/queries';
import { bytes } from '../../lib/amounts';
import { type Column, DataTable } from '../../ui/DataTable';
import { Icon } from '../../ui/icons';
import { useMay } from '../../ui/may';
import { Page } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer, EmptyState } from '../../ui/states';
import { TimeAgo } from '../../ui/TimeAgo';
import { JoinLine } from './JoinLine';

const MIB = 1024 * 1024;

const COLUMNS: Column<Machine>[] = [
  {
    name: 'Name',
    width: 'minmax(7rem, 2fr)',
    cell: (machine) => (
      <Link to="/machines/$name" params={{ name: machine.name }}>
        {machine.name}
      </Link>
    ),
  },
  { name: 'State', width: '118px', cell: (machine) => <StateBadge state={machine.state} /> },
  {
    name: 'CPU',
    width: '64px',
    right: true,
    cell: (machine) => `${Math.round(machine.load.cpu_percent)} %`,
  },
  {
    name: 'Cores reserved',
    width: '110px',
    right: true,
    wide: true,
    cell: (machine) => `${machine.used.cpu_cores} / ${machine.allocatable.cpu_cores}`,
  },
  {
    name: 'Memory reserved',
    width: '150px',
    right: true,
    wide: true,
    cell: (machine) => `${bytes(machine.used.memory_mb * MIB)} / ${bytes(machine.allocatable.memory_mb * MIB)}`,
  },
  {
    name: 'Runs',
    width: 'minmax(6rem, 1.5fr)',
    wide: true,
    cell: (machine) =>
      machine.runtimes
        .filter((runtime) => runtime.available)
        .map((runtime) => (runtime.name === 'process' ? 'host jobs' : 'containers'))
        .join(', ') || 'nothing',
  },
  { name: 'Last seen', width: '100px', wide: true, cell: (machine) => <TimeAgo at={machine.last_seen} none="never" /> },
];

export function Machines() {
  const nodes = useQuery(nodesQuery);
  const mayAdminister = useMay('administer');
  const [isAdding, adding] = useDisclosure(false);
  const add = (
    <Button leftSection={<Icon name="plus" size={16} />} onClick={adding.open}>
      Add a machine
    </Button>
  );
  return (
    <Page title="Machines" command="draas nodes" actions={mayAdminister && add}>
      <Answer of={nodes}>
        {({ items }) => (
          <DataTable
            label="Machines"
            columns={COLUMNS}
            rows={items.filter((machine) => machine.state !== 'left')}
            idOf={(machine) => machine.id}
            empty={
              <EmptyState title="No machine yet.">
                {mayAdminister ? 'Add one: it takes one line on that machine.' : 'An admin can add one.'}
              </EmptyState>
            }
          />
        )}
      </Answer>
      <Modal opened={isAdding} onClose={adding.close} title="Add a machine" size="lg">
        <JoinLine />
      </Modal>
    </Page>
  );
}
