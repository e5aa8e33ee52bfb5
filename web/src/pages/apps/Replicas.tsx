// Replicas: where an app runs and how each of them is, with why; and what they write.
import { Button, Select, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Fragment } from 'react';
import type { AppDetail, Replica } from '../../api/client';
import { count } from '../../lib/amounts';
import { LogView } from '../../ui/LogView';
import { NodeLink } from '../../ui/NodeLink';
import { Section } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { TimeAgo } from '../../ui/TimeAgo';
import { appRoute } from './route';
import { phaseOf, whyOf } from './words';

export function Replicas({ app }: { app: AppDetail }) {
  const [isPast, past] = useDisclosure(false);
  const machines = new Set(app.replicas.map((replica) => replica.node)).size;
  return (
    <Section
      title="Replicas"
      beside={
        <span className="dim">
          {app.healthy} of {app.wanted} healthy{machines > 0 && `, on ${count(machines, 'machine')}`}
        </span>
      }
    >
      {app.replicas.length === 0 ? (
        <Text size="sm" c="dimmed">
          {app.wanted === 0
            ? app.sleeping
              ? 'None: it sleeps until the next request.'
              : 'None: it is stopped. Scale it to start it again.'
            : app.state === 'failed'
              ? 'None: its release has failed.'
              : 'None is placed. See below why.'}
        </Text>
      ) : (
        <ReplicaTable replicas={app.replicas} label="Replicas" />
      )}
      {app.past.length > 0 && (
        <Button size="compact-xs" variant="subtle" mt="xs" onClick={past.toggle} aria-expanded={isPast}>
          {isPast ? 'Hide those that have ended' : `${count(app.past.length, 'replica')} that ended`}
        </Button>
      )}
      {isPast && <ReplicaTable replicas={app.past} label="Replicas that have ended" />}
    </Section>
  );
}

function ReplicaTable({ replicas, label }: { replicas: readonly Replica[]; label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by the keyboard
    <div className="scroll-x" tabIndex={0} role="region" aria-label={label}>
      <table className="plain replicas">
        <thead>
          <tr>
            <th>No.</th>
            <th>State</th>
            <th>Machine</th>
            <th>Release</th>
            <th>Address</th>
            <th>Started</th>
            <th>Healthy</th>
          </tr>
        </thead>
        <tbody>
          {replicas.map((replica) => (
            <ReplicaRow key={replica.id} replica={replica} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ReplicaRow({ replica }: { replica: Replica }) {
  const why = whyOf(replica);
  return (
    <Fragment>
      <tr className={why ? 'has-why' : undefined} data-replica={replica.number}>
        <td className="figure">{replica.number}</td>
        <td>
          <StateBadge state={phaseOf(replica)} />
        </td>
        <td>
          <NodeLink name={replica.node} />
        </td>
        <td className="figure">{replica.release}</td>
        <td className="figure">{replica.address || '–'}</td>
        <td>
          <TimeAgo at={replica.started_at} />
        </td>
        <td>
          <TimeAgo at={replica.healthy_since} />
        </td>
      </tr>
      {why && (
        <tr>
          <td />
          <td className="why" colSpan={6} data-tone={replica.leaving ? 'off' : undefined}>
            {why}
          </td>
        </tr>
      )}
    </Fragment>
  );
}

export function AppOutput({ app }: { app: AppDetail }) {
  const { replica } = appRoute.useSearch();
  const navigate = appRoute.useNavigate();
  const option = (one: Replica, note: string) => ({
    value: String(one.number),
    label: `#${one.number} on ${one.node}${note}`,
  });
  const options = [
    ...app.replicas.map((one) => option(one, '')),
    ...app.past.map((one) => option(one, ` (${one.state})`)),
  ];
  const isKnown = options.some((one) => one.value === String(replica));
  const chosen = replica !== undefined && isKnown ? String(replica) : undefined;
  return (
    <Section
      title="Output"
      beside={
        options.length > 0 && (
          <Select
            size="xs"
            w={220}
            aria-label="Whose output"
            data={options}
            value={chosen ?? null}
            placeholder="All replicas"
            clearable
            clearButtonProps={{ 'aria-label': 'All replicas' }}
            onChange={(value) =>
              void navigate({
                search: ({ replica: _, ...rest }) => (value === null ? rest : { ...rest, replica: Number(value) }),
                replace: true,
              })
            }
          />
        )
      }
    >
      <LogView app={app.name} replica={chosen} />
    </Section>
  );
}
