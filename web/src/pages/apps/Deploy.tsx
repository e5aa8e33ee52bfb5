// Deploy: an app from an image, from files of this computer, or from git; everything that has a good default folded away.
import './apps.css';
import { Button, Group, SegmentedControl, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link, useBlocker, useNavigate } from '@tanstack/react-router';
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { type AppDetail, api, type Build, type Schemas, take } from '../../api/client';
import { asProblem } from '../../api/problem';
import { appQuery, appsQuery, buildQuery, keys, sessionQuery } from '../../api/queries';
import { freshKey } from '../../lib/key';
import { useAct } from '../../ui/act';
import { useMay } from '../../ui/may';
import { Page, Section } from '../../ui/Page';
import { Answer, EmptyState, ErrorPanel } from '../../ui/states';
import { AppAdvanced, BuildAdvanced, useText } from './Advanced';
import { Detected, useDetected } from './Detected';
import {
  afterBuild,
  appOf,
  buildOf,
  commandOf,
  EMPTY,
  type Form,
  type FormFaults,
  type From,
  fieldOf,
  formOf,
  isAdvanced,
} from './form';
import { isArchive, nameFault, nameOfFile, nameOfGit, nameOfImage } from './names';
import { keepPending } from './pending';
import { deployRoute } from './route';
import { SourcePicker } from './SourcePicker';
import type { Source } from './source';
import { type Progress, Uploading } from './Uploading';
import { uploadBuild } from './upload';

const SOURCES = [
  { value: 'image', label: 'An image' },
  { value: 'files', label: 'Folder or archive' },
  { value: 'git', label: 'Git' },
];

const MORE: Record<From, string> = {
  image: 'Environment, health, domains…',
  files: 'Build arguments, secrets, environment, health, domains…',
  git: 'Build arguments, secrets, environment, health, domains…',
};

const nameOnly = (name: string): FormFaults => {
  const fault = nameFault(name.trim());
  return fault === undefined ? {} : { name: fault };
};

export function Deploy() {
  const search = deployRoute.useSearch();
  const mayDeploy = useMay('deploy');
  const build = useQuery({ ...buildQuery(search.build ?? ''), enabled: search.build !== undefined });
  const apps = useQuery(appsQuery);
  const wanted = search.app ?? build.data?.name;
  const isThere = wanted !== undefined && (apps.data?.items.some((one) => one.name === wanted) ?? false);
  const app = useQuery({ ...appQuery(wanted ?? ''), enabled: isThere });
  const isMissing = search.app !== undefined && apps.data !== undefined && !isThere;
  const waits = [apps, ...(search.build === undefined ? [] : [build]), ...(isThere ? [app] : [])];
  const waited = waits.find((one) => one.data === undefined);
  const title = isThere ? `A new version of ${wanted}` : 'Deploy an app';
  if (!mayDeploy || isMissing || waited !== undefined) {
    return (
      <Page title={title} above={<Link to="/apps">Apps</Link>}>
        {isMissing ? (
          <EmptyState title={`There is no app ${search.app}.`}>
            <Link to="/deploy">Deploy one</Link>
          </EmptyState>
        ) : mayDeploy && waited !== undefined ? (
          <Answer of={waited as { data: undefined; error: unknown; refetch: () => unknown }}>{() => null}</Answer>
        ) : (
          <EmptyState title="Your key may look, not deploy.">
            <Link to="/apps">All apps</Link>
          </EmptyState>
        )}
      </Page>
    );
  }
  return (
    <DeployForm key={`${wanted} ${search.build}`} title={title} app={app.data} build={build.data} from={search.from} />
  );
}

interface DeployFormProps {
  title: string;
  app: AppDetail | undefined;
  build: Build | undefined;
  from: From | undefined;
}

const firstForm = (app: AppDetail | undefined, build: Build | undefined): Form => {
  const form = app === undefined ? EMPTY : formOf(app.name, app.spec);
  if (build === undefined) return form;
  const port = form.port || (build.port === null ? '' : String(build.port));
  return { ...form, from: 'image', name: build.name, image: build.image ?? '', port };
};

function DeployForm({ title, app, build, from }: DeployFormProps) {
  const [form, setForm] = useState<Form>(() => ({ ...firstForm(app, build), ...(from && { from }) }));
  const [source, setSource] = useState<Source | null>(null);
  const [faults, setFaults] = useState<FormFaults>({});
  const [isMore, more] = useDisclosure(false);
  const [sending, setSending] = useState<Progress | null>(null);
  const hasNamed = useRef(app !== undefined || build !== undefined);
  const stopping = useRef<AbortController | null>(null);
  const [isDeployed, setDeployed] = useState(true); // what is being sent, or only built
  const navigate = useNavigate();
  const ownProject = useQuery(sessionQuery).data?.project ?? 'default';
  const apps = useQuery(appsQuery).data?.items ?? [];
  const { name } = form;
  const isTaken = app === undefined && apps.some((one) => one.name === name);

  useEffect(() => () => stopping.current?.abort(), []);
  useBlocker({
    shouldBlockFn: () => stopping.current !== null && !confirm('The upload is not finished. Leave, and cancel it?'),
    enableBeforeUnload: () => stopping.current !== null,
  });

  const deploy = useAct({
    do: (isDeployed: boolean) => run(isDeployed),
    stale: [keys.apps, keys.builds],
    after: ({ build: made, isDeployed }) =>
      void (made === null
        ? navigate({ to: '/apps/$name', params: { name } })
        : isDeployed
          ? navigate({ to: '/deploy/$build', params: { build: made } })
          : navigate({ to: '/builds/$id', params: { id: made } })),
    quiet: true,
  });
  const isStopped = deploy.error instanceof DOMException;
  const isOfBuild = useRef(false); // what was refused last
  const problem = deploy.error === null || isStopped ? null : asProblem(deploy.error);
  const told: FormFaults = { ...faults };
  for (const fault of problem?.faults ?? []) {
    const field = fieldOf(fault.path, isOfBuild.current ? 'build' : 'app');
    if (field !== undefined) told[field] ??= fault.message;
  }
  const hasFoldedFault = Object.entries(told).some(([field, fault]) => fault !== undefined && isAdvanced(field));
  const isOpen = isMore || hasFoldedFault;
  const detected = useDetected(form.from === 'files' ? source : null);

  const run = async (isDeployed: boolean): Promise<{ build: string | null; isDeployed: boolean }> => {
    const made = appOf(form, app?.spec);
    const project = app?.project ?? (form.project.trim() || null);
    const query = project === null ? {} : { project };
    isOfBuild.current = false;
    if (form.from === 'image') {
      const isOfThisBuild = build !== undefined && form.image === build.image;
      const body = isOfThisBuild ? afterBuild(made.body, build) : made.body;
      await take(api.PUT('/api/apps/{name}', { params: { path: { name }, query }, body }));
      return { build: null, isDeployed };
    }
    let found = project ?? ownProject;
    if (isDeployed) {
      // What cannot be is told before anything is sent; 8000 stands for the port that the build will find.
      const checked = { ...made.body, port: made.body.port ?? 8000 };
      const path = { params: { path: { name }, query }, body: checked };
      found = (await take(api.POST('/api/apps/{name}/plan', path))).project;
    }
    isOfBuild.current = true;
    const begun = await begin(buildOf(form).body, found);
    if (isDeployed) keepPending(begun.id, { name, body: made.body, project: found });
    return { build: begun.id, isDeployed };
  };

  const begin = async (spec: Schemas['BuildBody'], project: string): Promise<Build> => {
    const key = freshKey();
    if (form.from === 'git') {
      const params = { query: { project }, header: { 'Idempotency-Key': key } };
      return take(api.POST('/api/builds', { body: spec, params }));
    }
    const stop = new AbortController();
    stopping.current = stop;
    try {
      const { size, kind, pack } = source!;
      const tell = (isPacking: boolean, total: number) => (sent: number, cut: Progress['cut']) =>
        setSending({ sent, total, isPacking, cut });
      tell(kind === 'folder', size)(0, null);
      const blob = await pack(stop.signal, (read) => tell(true, size)(Math.min(read, size), null));
      const told = tell(false, blob.size);
      return await uploadBuild({
        spec,
        source: blob,
        project,
        key,
        signal: stop.signal,
        onProgress: ({ bytes, cut }) => told(Math.min(bytes, blob.size), cut),
      });
    } finally {
      stopping.current = null;
      setSending(null);
    }
  };

  const send = (isDeployed = true) => {
    const found: FormFaults = {
      ...(isDeployed ? appOf(form, app?.spec).faults : nameOnly(form.name)),
      ...(form.from === 'image' ? {} : buildOf(form).faults),
    };
    if (isTaken && isDeployed) found.name = 'There is an app of this name.';
    if (form.from === 'files' && source === null) found.file = 'Choose what is built.';
    setFaults(found);
    if (Object.keys(found).length === 0 && !deploy.isPending) {
      setDeployed(isDeployed);
      deploy.mutate(isDeployed);
    }
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    }
  };

  const set = <Field extends keyof Form>(field: Field, value: Form[Field]) => {
    setForm((now) => ({ ...now, [field]: value }));
    setFaults((now) => ({ ...now, [field]: undefined }));
  };
  /** The name follows what is deployed until somebody types one. */
  const suggest = (found: string) => {
    if (!hasNamed.current) set('name', found);
  };
  const fields = { form, told, set };
  const text = useText(fields);
  const choose = (chosen: Source | null) => {
    setSource(chosen);
    setFaults((now) => ({ ...now, file: undefined }));
    if (chosen !== null) suggest(chosen.kind === 'archive' && !isArchive(chosen.name) ? '' : nameOfFile(chosen.name));
  };

  return (
    <Page title={title} above={<Link to="/apps">Apps</Link>} command={commandOf(form, source?.name ?? '')}>
      {sending !== null && (
        <Section title="Deployment">
          <Uploading progress={sending} isDeployed={isDeployed} cancel={() => stopping.current?.abort()} />
        </Section>
      )}
      <div hidden={sending !== null}>
        <Section title="What to run">
          <form onSubmit={onSubmit} onKeyDown={onKeyDown} noValidate>
            <Stack gap="md">
              <SegmentedControl
                aria-label="From"
                data={SOURCES}
                value={form.from}
                onChange={(from) => set('from', from as From)}
              />
              {form.from === 'image' && (
                <TextInput
                  label="Image"
                  placeholder="nginx:1.25"
                  description="A tag is resolved to a digest once, now."
                  autoFocus
                  {...text('image')}
                  onChange={(event) => {
                    set('image', event.currentTarget.value);
                    suggest(nameOfImage(event.currentTarget.value));
                  }}
                />
              )}
              {form.from === 'files' && (
                <>
                  <SourcePicker source={source} choose={choose} fault={told.file} />
                  {detected !== undefined && !form.dockerfile && <Detected found={detected} />}
                </>
              )}
              {form.from === 'git' && (
                <TextInput
                  label="Repository"
                  placeholder="https://example.org/team/shop.git#main"
                  description="A branch, tag or commit after #. The builder fetches it; no password in it."
                  {...text('git')}
                  onChange={(event) => {
                    set('git', event.currentTarget.value);
                    suggest(nameOfGit(event.currentTarget.value));
                  }}
                />
              )}
              <SimpleGrid cols={{ base: 1, sm: 3 }}>
                <TextInput
                  label="Name"
                  description={<NameState name={name} isTaken={isTaken} isFixed={app !== undefined} />}
                  readOnly={app !== undefined}
                  {...text('name')}
                  onChange={(event) => {
                    hasNamed.current = event.currentTarget.value !== '';
                    set('name', event.currentTarget.value);
                  }}
                />
                <TextInput
                  label="Port"
                  description="where it listens inside the container"
                  placeholder={
                    form.from === 'image' ? 'none: it serves nothing' : String(detected?.port ?? 'what the build finds')
                  }
                  inputMode="numeric"
                  {...text('port')}
                />
                <TextInput
                  label="Replicas"
                  description="how many at least"
                  placeholder="1"
                  inputMode="numeric"
                  {...text('min')}
                />
              </SimpleGrid>
              <div>
                <Button size="compact-sm" variant="subtle" onClick={more.toggle} aria-expanded={isOpen}>
                  {isOpen ? 'Less' : MORE[form.from]}
                </Button>
              </div>
              {isOpen && (
                <Stack gap="md">
                  {form.from !== 'image' && <BuildAdvanced {...fields} />}
                  <AppAdvanced {...fields} />
                  {app === undefined && (
                    <TextInput
                      label="Project"
                      placeholder={ownProject}
                      description="whose it is; its keys see it"
                      {...text('project')}
                    />
                  )}
                </Stack>
              )}
              {problem !== null && <ErrorPanel error={problem} />}
              {isStopped && <Text size="sm">The upload was cancelled; nothing was built.</Text>}
              <Group>
                <Button type="submit" loading={deploy.isPending}>
                  Deploy
                </Button>
                {form.from !== 'image' && (
                  <Button variant="default" disabled={deploy.isPending} onClick={() => send(false)}>
                    Build only
                  </Button>
                )}
                <Text size="xs" c="dimmed">
                  or Ctrl+Enter
                </Text>
              </Group>
            </Stack>
          </form>
        </Section>
      </div>
    </Page>
  );
}

/** Checked with each letter, against the apps that the page knows. */
function NameState({ name, isTaken, isFixed }: { name: string; isTaken: boolean; isFixed: boolean }) {
  if (isFixed) return <span>its next release</span>;
  if (name === '') return <span>part of its address</span>;
  const fault = nameFault(name);
  if (fault !== undefined) return <span data-name="bad">{fault}</span>;
  if (isTaken) {
    return (
      <span data-name="taken">
        taken:{' '}
        <Link to="/deploy" search={{ app: name }}>
          deploy a new version of it
        </Link>
      </span>
    );
  }
  return <span data-name="free">{name} is free</span>;
}
