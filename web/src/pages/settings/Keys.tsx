// Keys: who may do what; making, rotating and revoking them. A secret is shown once.
import { Button, Modal, SegmentedControl, Select, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api, take } from '../../api/client';
import { asProblem } from '../../api/problem';
import { keysQuery, keys as queryKeys, sessionQuery } from '../../api/queries';
import { freshKey } from '../../lib/key';
import { useAct } from '../../ui/act';
import { CopyId, SameAs } from '../../ui/Copy';
import { type Column, DataTable } from '../../ui/DataTable';
import { Icon } from '../../ui/icons';
import { useMay } from '../../ui/may';
import { Facts, Section } from '../../ui/Page';
import { Answer, EmptyState, ErrorPanel } from '../../ui/states';
import { TimeAgo, useNow } from '../../ui/TimeAgo';
import { Frame } from './Frame';
import { keysRoute } from './route';
import { Secret } from './Secret';
import {
  expiry,
  faultsBy,
  KEPT,
  type Key,
  type KeyForm,
  keptBy,
  keyBody,
  keyCommand,
  LIFETIMES,
  nameOf,
  ROLES,
  type Role,
} from './words';

export function Keys() {
  const isMaking = keysRoute.useSearch().new === true;
  const navigate = useNavigate();
  const ask = (isNew: boolean) => void navigate({ to: '/settings/keys', search: isNew ? { new: true } : {} });
  const mayAdminister = useMay('administer');
  const all = useQuery({ ...keysQuery, enabled: mayAdminister });
  const [chosen, setChosen] = useState<string | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const people = all.data?.items.filter((key) => key.role !== 'node') ?? [];
  const machines = all.data?.items.filter((key) => key.role === 'node') ?? [];
  const key = people.find((one) => one.id === chosen);
  const show = (made: string) => {
    setChosen(null);
    ask(false);
    setSecret(made);
  };
  return (
    <Frame
      at="/settings/keys"
      command="draas keys"
      actions={
        <Button leftSection={<Icon name="plus" size={16} />} onClick={() => ask(true)}>
          Make a key
        </Button>
      }
    >
      <Answer of={all} rows={6}>
        {() => (
          <>
            <DataTable
              label="Keys"
              columns={columns(setChosen)}
              rows={people}
              idOf={(one) => one.id}
              empty={
                <EmptyState title="No key yet.">Make one for each person and program: then each can end.</EmptyState>
              }
            />
            <Section title={`Machines' own keys (${machines.length})`}>
              <Machines of={machines} />
            </Section>
          </>
        )}
      </Answer>
      <Modal opened={mayAdminister && isMaking} onClose={() => ask(false)} title="Make a key" size="lg">
        <Make onMade={show} />
      </Modal>
      <Modal opened={key !== undefined} onClose={() => setChosen(null)} title={key ? nameOf(key) : ''} size="lg">
        {key !== undefined && (
          <Detail key={key.id} of={key} all={people} onGone={() => setChosen(null)} onMade={show} />
        )}
      </Modal>
      {/* Not closed by a stray click or Escape: what is in it is shown once. */}
      <Modal
        opened={secret !== null}
        onClose={() => setSecret(null)}
        title="The new key"
        size="lg"
        withCloseButton={false}
        closeOnClickOutside={false}
        closeOnEscape={false}
      >
        {secret !== null && <Secret secret={secret} onDone={() => setSecret(null)} />}
      </Modal>
    </Frame>
  );
}

function columns(choose: (id: string) => void): Column<Key>[] {
  return [
    {
      name: 'Name',
      width: 'minmax(7rem, 2fr)',
      cell: (key) => (
        <button type="button" className="link one-line" onClick={() => choose(key.id)}>
          {nameOf(key)}
        </button>
      ),
    },
    { name: 'Role', width: '88px', cell: (key) => key.role },
    { name: 'Project', width: 'minmax(5rem, 1fr)', cell: (key) => key.project ?? <span className="dim">all</span> },
    { name: 'Made', width: '110px', wide: true, cell: (key) => <TimeAgo at={key.created_at} /> },
    { name: 'Ends', width: '140px', wide: true, cell: (key) => <Ends of={key} /> },
  ];
}

function Ends({ of }: { of: Key }) {
  const told = expiry(of, useNow());
  return <span title={of.expires_at === null ? undefined : new Date(of.expires_at).toLocaleString()}>{told}</span>;
}

function Machines({ of }: { of: readonly Key[] }) {
  if (of.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        None. A machine gets one when it joins: <Link to="/machines">add a machine</Link>.
      </Text>
    );
  }
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        Each was made when its machine joined, and ends when the machine is removed.{' '}
        <Link to="/machines">Join lines are made there.</Link>
      </Text>
      <div className="rows">
        {of.map((key) => (
          <div key={key.id}>
            <span className="grow one-line">
              <Link to="/machines/$name" params={{ name: key.name }}>
                {key.name}
              </Link>
            </span>
            <span className="dim">
              <TimeAgo at={key.created_at} />
            </span>
          </div>
        ))}
      </div>
    </Stack>
  );
}

function Make({ onMade }: { onMade: (secret: string) => void }) {
  const [form, setForm] = useState<KeyForm>({ name: '', role: 'deployer', project: '', ttl: '' });
  const make = useAct({
    do: (once: string) =>
      take(api.POST('/api/keys', { body: keyBody(form), params: { header: { 'Idempotency-Key': once } } })),
    stale: [queryKeys.allKeys],
    after: (made) => onMade(made.key),
    quiet: true,
  });
  const problem = make.error === null ? null : asProblem(make.error);
  const told = faultsBy(problem?.faults ?? []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate(freshKey());
  };
  const text = (field: 'name' | 'project') => ({
    value: form[field],
    error: told[field],
    onChange: (event: { currentTarget: { value: string } }) => {
      const { value } = event.currentTarget;
      setForm((now) => ({ ...now, [field]: value }));
    },
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput
          label="Name"
          description="Whose it is, or what for"
          placeholder="ada's laptop"
          data-autofocus
          maxLength={128}
          {...text('name')}
        />
        <div>
          <Text size="sm" fw={500}>
            Role
          </Text>
          <SegmentedControl
            aria-label="Role"
            data={ROLES.map(({ value, label }) => ({ value, label }))}
            value={form.role}
            onChange={(role) => setForm((now) => ({ ...now, role: role as Role }))}
          />
          <Text size="sm" c="dimmed">
            {ROLES.find((role) => role.value === form.role)?.told}
          </Text>
        </div>
        <TextInput
          label="Project"
          description="It sees and changes that project's things only. Empty: all of them"
          placeholder="all"
          maxLength={63}
          {...text('project')}
        />
        <Choice label="Ends" of={LIFETIMES} value={form.ttl} onChange={(ttl) => setForm((now) => ({ ...now, ttl }))} />
        {problem !== null && <ErrorPanel error={problem} />}
        <div>
          <Button type="submit" loading={make.isPending}>
            Make it
          </Button>
        </div>
        <SameAs command={keyCommand(form)} />
      </Stack>
    </form>
  );
}

interface ChoiceProps {
  label: string;
  of: { value: string; label: string }[];
  value: string;
  onChange: (value: string) => void;
}

function Choice({ label, of, value, onChange }: ChoiceProps) {
  return (
    <Select
      label={label}
      data={of}
      value={value}
      allowDeselect={false}
      checkIconPosition="right"
      onChange={(chosen) => onChange(chosen ?? '')}
    />
  );
}

interface DetailProps {
  of: Key;
  all: readonly Key[];
  onGone: () => void;
  onMade: (secret: string) => void;
}

function Detail({ of: key, all, onGone, onMade }: DetailProps) {
  const isOwn = useQuery(sessionQuery).data?.key_id === key.id;
  const [asked, setAsked] = useState<'rotate' | 'revoke' | null>(null);
  const why = keptBy(key, all);
  return (
    <Stack gap="md">
      <Facts
        of={[
          ['Role', key.role],
          ['Project', key.project ?? 'all'],
          ['Made', <TimeAgo key="made" at={key.created_at} />],
          ['Ends', <Ends key="ends" of={key} />],
        ]}
      />
      <CopyId id={key.id} />
      {isOwn && <Text size="sm">This browser is signed in with it.</Text>}
      {asked === null && (
        <div className="page-actions">
          <Button variant="default" onClick={() => setAsked('rotate')}>
            Rotate…
          </Button>
          {why === '' && (
            <Button variant="default" onClick={() => setAsked('revoke')}>
              Revoke…
            </Button>
          )}
        </div>
      )}
      {asked === null && why !== '' && (
        <Text size="sm" c="dimmed">
          It cannot be revoked. {why}
        </Text>
      )}
      {asked === 'rotate' && <Rotate of={key} isOwn={isOwn} onMade={onMade} />}
      {asked === 'revoke' && <Revoke of={key} isOwn={isOwn} onGone={onGone} />}
    </Stack>
  );
}

function Rotate({ of: key, isOwn, onMade }: { of: Key; isOwn: boolean; onMade: (secret: string) => void }) {
  // Ending one's own at once would sign this browser out before the new one has been read.
  const choices = isOwn ? KEPT.filter(({ value }) => value !== '0') : KEPT;
  const [kept, setKept] = useState(choices[0]!.value);
  const rotate = useAct({
    do: (once: string) =>
      take(
        api.POST('/api/keys/{id}/rotate', {
          params: { path: { id: key.id }, header: { 'Idempotency-Key': once } },
          body: { keep_s: Number(kept) },
        }),
      ),
    stale: [queryKeys.allKeys],
    after: (made) => onMade(made.key),
  });
  return (
    <Stack gap="sm" align="flex-start">
      <Text size="sm">
        Makes another key with the same name and rights. Browsers that signed in with the old one end with it.
      </Text>
      <Choice label="The old one ends" of={choices} value={kept} onChange={setKept} />
      <Button loading={rotate.isPending} onClick={() => rotate.mutate(freshKey())}>
        Rotate it
      </Button>
      <SameAs command={`draas keys rotate ${key.id}${kept === '0' ? '' : ` --keep ${Number(kept) / 3600}h`}`} />
    </Stack>
  );
}

function Revoke({ of: key, isOwn, onGone }: { of: Key; isOwn: boolean; onGone: () => void }) {
  const revoke = useAct({
    do: () => take(api.DELETE('/api/keys/{id}', { params: { path: { id: key.id } } })),
    done: `${nameOf(key)} is revoked`,
    stale: [queryKeys.allKeys, queryKeys.session],
    after: onGone,
  });
  return (
    <Stack gap="sm" align="flex-start">
      <Text size="sm">
        Whoever uses it is refused from now on, for good.{' '}
        {isOwn && <b>This browser is signed in with it, so it is signed out.</b>}
      </Text>
      <Button color="red" loading={revoke.isPending} onClick={() => revoke.mutate(undefined)}>
        Revoke it
      </Button>
      <SameAs command={`draas keys revoke ${key.id}`} />
    </Stack>
  );
}
