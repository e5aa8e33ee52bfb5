// Registries: with what a project's private images are pulled, and where built ones are pushed. A password goes in, never out.
import { Button, Modal, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api, type Schemas, take } from '../../api/client';
import { asProblem } from '../../api/problem';
import { aboutQuery, keys, registriesQuery, sessionQuery } from '../../api/queries';
import { shellQuote } from '../../lib/shell';
import { useAct } from '../../ui/act';
import { SameAs } from '../../ui/Copy';
import { type Column, DataTable } from '../../ui/DataTable';
import { Icon } from '../../ui/icons';
import { useMay } from '../../ui/may';
import { Facts, Section } from '../../ui/Page';
import { Answer, EmptyState, ErrorPanel } from '../../ui/states';
import { TimeAgo } from '../../ui/TimeAgo';
import { Frame } from './Frame';
import { registriesRoute } from './route';
import { faultsBy, hostFault } from './words';

type Login = Schemas['RegistryView'];

const idOf = (login: Login) => `${login.project} ${login.host}`;

export function Registries() {
  const isAdding = registriesRoute.useSearch().new === true;
  const navigate = useNavigate();
  const ask = (isNew: boolean) => void navigate({ to: '/settings/registries', search: isNew ? { new: true } : {} });
  const logins = useQuery(registriesQuery);
  const mayDeploy = useMay('deploy');
  const [chosen, setChosen] = useState<string | null>(null);
  const login = logins.data?.items.find((one) => idOf(one) === chosen);
  const columns: Column<Login>[] = [
    {
      name: 'Registry',
      width: 'minmax(8rem, 2fr)',
      cell: (one) => (
        <button type="button" className="link one-line" onClick={() => setChosen(idOf(one))}>
          {one.host}
        </button>
      ),
    },
    { name: 'Pulls as', width: 'minmax(5rem, 1fr)', cell: (one) => one.username },
    { name: 'Project', width: 'minmax(5rem, 1fr)', cell: (one) => one.project },
    { name: 'Added', width: '110px', wide: true, cell: (one) => <TimeAgo at={one.created_at} /> },
  ];
  return (
    <Frame
      at="/settings/registries"
      command="draas registries"
      actions={
        mayDeploy && (
          <Button leftSection={<Icon name="plus" size={16} />} onClick={() => ask(true)}>
            Add a login
          </Button>
        )
      }
    >
      <Answer of={logins} rows={3}>
        {({ items }) => (
          <DataTable
            label="Logins to registries"
            columns={columns}
            rows={items}
            idOf={idOf}
            empty={
              <EmptyState title="No login to a registry.">
                Images that anybody may pull need none. {mayDeploy ? 'Add one' : 'A deployer adds one'} for private
                ones.
              </EmptyState>
            }
          />
        )}
      </Answer>
      <Push />
      <Modal opened={mayDeploy && isAdding} onClose={() => ask(false)} title="Log a project in to a registry" size="lg">
        <Add onAdded={() => ask(false)} />
      </Modal>
      <Modal opened={login !== undefined} onClose={() => setChosen(null)} title={login?.host ?? ''} size="lg">
        {login !== undefined && <Detail key={idOf(login)} of={login} onGone={() => setChosen(null)} />}
      </Modal>
    </Frame>
  );
}

function Push() {
  const about = useQuery(aboutQuery);
  return (
    <Section title="Pushes to Docker Hub">
      <Answer of={about} rows={1}>
        {({ docker_hub: hub }) => (
          <Text size="sm">
            {hub === null ? (
              <>
                Off: what is built stays in the controller's own registry. <code>DOCKER_HUB_PUSH=true</code> with{' '}
                <code>DOCKER_USERNAME</code> and <code>DOCKER_PASSWORD</code> where the controller starts switches them
                on.
              </>
            ) : (
              <>
                On: every image that is built is pushed to <b>{hub.registry}</b> as <b>{hub.username}</b>, too.
              </>
            )}
          </Text>
        )}
      </Answer>
    </Section>
  );
}

function Add({ onAdded }: { onAdded: () => void }) {
  const own = useQuery(sessionQuery).data?.project ?? null;
  const [form, setForm] = useState({ host: '', username: '', password: '', project: '' });
  const project = own ?? form.project.trim();
  const add = useAct({
    do: () =>
      take(
        api.PUT('/api/registries/{host}', {
          params: { path: { host: form.host.trim() } },
          body: { username: form.username.trim(), password: form.password, project: project || null },
        }),
      ),
    done: (login) => `Project ${login.project} pulls from ${login.host} as ${login.username}`,
    stale: [keys.registries],
    after: onAdded,
    quiet: true,
  });
  const problem = add.error === null ? null : asProblem(add.error);
  const told = faultsBy(problem?.faults ?? []);
  const text = (field: keyof typeof form) => ({
    value: form[field],
    error: told[field],
    onChange: (event: { currentTarget: { value: string } }) => {
      const { value } = event.currentTarget;
      setForm((now) => ({ ...now, [field]: value }));
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate(undefined);
  };
  const fault = hostFault(form.host);
  const isWhole = fault === '' && form.host.trim() !== '' && form.username.trim() !== '' && form.password !== '';
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack gap="md">
        <TextInput
          label="Registry"
          description="As image names have it; a login that is there already is replaced"
          placeholder="docker.io, ghcr.io, registry.example:5000"
          data-autofocus
          spellCheck={false}
          {...text('host')}
          error={fault || told.host}
        />
        <TextInput
          label="User"
          description="Or the name of an access token"
          autoComplete="off"
          spellCheck={false}
          {...text('username')}
        />
        <PasswordInput
          label="Password or access token"
          description="Kept encrypted, given to the machine that pulls, never shown again"
          autoComplete="new-password"
          {...text('password')}
        />
        {own === null && <TextInput label="Project" placeholder="default" maxLength={63} {...text('project')} />}
        {problem !== null && <ErrorPanel error={problem} />}
        <div>
          <Button type="submit" loading={add.isPending} disabled={!isWhole}>
            Add it
          </Button>
        </div>
        <SameAs
          command={`draas registries add ${shellQuote(form.host.trim() || 'HOST')} -u ${shellQuote(form.username.trim() || 'USER')}${project ? ` --project ${shellQuote(project)}` : ''}`}
        />
      </Stack>
    </form>
  );
}

function Detail({ of: login, onGone }: { of: Login; onGone: () => void }) {
  const mayRemove = useMay('deploy');
  const [isSure, setSure] = useState(false);
  const remove = useAct({
    do: () =>
      take(
        api.DELETE('/api/registries/{host}', {
          params: { path: { host: login.host }, query: { project: login.project } },
        }),
      ),
    done: `Project ${login.project} has no login to ${login.host} any more`,
    stale: [keys.registries],
    after: onGone,
  });
  return (
    <Stack gap="md" align="flex-start">
      <Facts
        of={[
          ['Pulls as', login.username],
          ['Project', login.project],
          ['Added', <TimeAgo key="added" at={login.created_at} />],
          ['Password', 'kept encrypted'],
        ]}
      />
      {mayRemove && !isSure && (
        <Button variant="default" onClick={() => setSure(true)}>
          Remove…
        </Button>
      )}
      {mayRemove && isSure && (
        <>
          <Text size="sm">
            Private images from {login.host} are not pulled for project {login.project} any more. What runs, runs on.
          </Text>
          <Button color="red" loading={remove.isPending} onClick={() => remove.mutate(undefined)}>
            Remove it
          </Button>
        </>
      )}
      {mayRemove && (
        <SameAs command={`draas registries rm ${shellQuote(login.host)} --project ${shellQuote(login.project)}`} />
      )}
    </Stack>
  );
}
