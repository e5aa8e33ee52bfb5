import { deflateRawSync, gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Replica, Spec } from '../../api/client';
import { diffReleases } from './diff';
import { isLeftOut } from './leftOut';
import { marksOf } from './marks';
import { nameFault, nameOfFile, nameOfGit, nameOfImage } from './names';
import { archiveSource, folderSource } from './source';
import { buildSteps, releaseSteps } from './steps';
import { tarHead } from './tar';
import { covers, failingOf, healthyText, hostOf, phaseOf, remedyOf, scalingRules, whyOf } from './words';
import { textInZip } from './zip';

const spec = (more: object = {}) =>
  ({
    image: 'shop:1',
    port: 80,
    command: null,
    replicas: { min: 1, max: 1 },
    autoscale: null,
    domains: [],
    health: { tcp: true, every_s: 2, timeout_s: 1, failures: 3 },
    resources: { cpu_cores: 0.5, memory_mb: 256, gpus: 0 },
    env: {},
    secrets: [],
    deploy: { order: 'start-first', canary: null },
    release_command: null,
    constraints: [],
    labels: {},
    https: { redirect: false },
    maintenance: false,
    stop_grace_s: 10,
    ...more,
  }) as unknown as Spec;
const release = (more: object = {}, image = '') => ({ image, spec: spec(more) });
const replica = (more: object = {}) =>
  ({
    number: 1,
    release: 2,
    state: 'running',
    health: 'healthy',
    detail: '',
    cause: '',
    exit_code: null,
    oom: false,
    leaving: '',
    ...more,
  }) as Replica;

test('two equal releases do not differ', () => {
  expect(diffReleases(release({ env: { A: '1' } }), release({ env: { A: '1' } }))).toEqual([]);
});

test('a diff tells image, ports, counts and lists, and of the environment names alone', () => {
  const changes = diffReleases(
    release({ env: { KEEP: '1', GONE: 'x', SECRET: 'old' }, domains: ['a.example'], labels: { team: 'a' } }),
    release({
      image: 'shop:2',
      port: 8080,
      replicas: { min: 2, max: 4 },
      command: ['run', 'a b'],
      env: { KEEP: '1', NEW: 'y', SECRET: 'hidden' },
      domains: ['b.example'],
      labels: {},
      deploy: { order: 'start-first', canary: { replicas: 1 } },
    }),
  );
  expect(changes).toEqual([
    { what: 'image', before: 'shop:1', after: 'shop:2' },
    { what: 'command', before: null, after: "run 'a b'" },
    { what: 'port', before: '80', after: '8080' },
    { what: 'replicas.min', before: '1', after: '2' },
    { what: 'replicas.max', before: '1', after: '4' },
    { what: 'deploy.canary.replicas', before: null, after: '1' },
    { what: 'env GONE', before: 'set', after: null },
    { what: 'env NEW', before: null, after: 'set' },
    { what: 'env SECRET', before: 'set', after: 'another value' },
    { what: 'label team', before: 'a', after: null },
    { what: 'domain', before: 'a.example', after: null },
    { what: 'domain', before: null, after: 'b.example' },
  ]);
  expect(JSON.stringify(changes)).not.toContain('hidden');
});

test('the same tag with another digest is a difference', () => {
  const [before, after] = ['a', 'b'].map((digit) => release({}, `shop@sha256:${digit.repeat(64)}`)) as [
    ReturnType<typeof release>,
    ReturnType<typeof release>,
  ];
  expect(diffReleases(before, after)).toEqual([
    { what: 'image', before: 'shop:1 (sha256:aaaaaaaaaaaa)', after: 'shop:1 (sha256:bbbbbbbbbbbb)' },
  ]);
});

test.each([
  ['shop-2', true],
  ['', false],
  ['Shop', false],
  ['-shop', false],
  ['shop_', false],
  ['a'.repeat(40), true],
  ['a'.repeat(41), false],
])('the name %j', (name, fits) => {
  expect(nameFault(name) === undefined).toBe(fits);
});

test('names out of what is deployed', () => {
  expect(nameOfImage('registry.example:5000/team/My_Shop:2@sha256:00')).toBe('my-shop');
  expect(nameOfFile('My Shop-1.0.tar.gz')).toBe('my-shop-1-0');
  expect(nameOfGit('git@example.org:team/shop.git#v1.2')).toBe('shop');
  expect(nameOfGit('https://example.org/team/shop/')).toBe('shop');
});

test('what is left out', () => {
  expect(isLeftOut('web/node_modules/a/b.js')).toBe(true);
  expect(isLeftOut('web/.github/x')).toBe(false);
});

test('a replica in a word, and why', () => {
  expect(phaseOf(replica())).toBe('healthy');
  expect(phaseOf(replica({ health: '' }))).toBe('starting');
  expect(phaseOf(replica({ leaving: 'replaced' }))).toBe('leaving');
  expect(whyOf(replica({ health: 'unhealthy', detail: 'nothing listens' }))).toBe('nothing listens');
  expect(whyOf(replica({ state: 'failed', cause: 'exit', exit_code: 3 }))).toBe('exit (exit code 3)');
  expect(whyOf(replica())).toBe('');
});

test('the newest that failed, and what to do about it', () => {
  const bad = [
    replica({ number: 1, state: 'failed', cause: 'exit', exit_code: 127 }),
    replica({ number: 3, health: 'unhealthy' }),
  ];
  expect(failingOf({ replicas: bad, past: [replica({ number: 9, release: 1, state: 'failed' })] }, 2)?.number).toBe(3);
  expect(remedyOf(bad[1]!, spec())).toContain('listen on port 80');
  expect(remedyOf(bad[0]!, spec())).toContain('A command is not there');
  expect(remedyOf(replica({ oom: true, state: 'failed' }), spec())).toContain('256 MiB');
});

test('how many are healthy', () => {
  expect(healthyText({ healthy: 1, wanted: 2 })).toBe('1 of 2 healthy');
  expect(healthyText({ healthy: 2, wanted: 1 })).toBe('2 healthy, 1 wanted');
});

test('rules of scaling in words', () => {
  expect(scalingRules(spec())).toEqual(['Always 1 replica.']);
  expect(
    scalingRules(
      spec({
        replicas: { min: 0, max: 5 },
        autoscale: { requests_per_s: 50, cpu_percent: 70, concurrency: null, memory_percent: null, idle_s: 300 },
      }),
    ),
  ).toEqual([
    'Between 0 and 5 replicas.',
    'So many that none has more than 50 requests a second, or 70 % of the CPU it asks for.',
    'Without a request for 5 min it sleeps; the next request wakes it.',
  ]);
});

test('certificates of hosts', () => {
  expect(hostOf('https://a.example:8443/api')).toBe('a.example');
  expect(covers('*.example', 'a.example')).toBe(true);
  expect(covers('*.example', 'a.b.example')).toBe(false);
  expect(covers('a.example', 'a.example')).toBe(true);
});

const BUILD = {
  state: 'running',
  created_at: '2026-01-01T00:00:00Z',
  queued_at: '2026-01-01T00:00:00Z',
  started_at: '2026-01-01T00:00:02Z',
  finished_at: null,
  node: 'vm',
  git: null,
  reason: '',
  kind: '',
};
const states = (steps: { name: string; state: string }[]) => steps.map((step) => `${step.name} ${step.state}`);

test('a build as steps', () => {
  expect(states(buildSteps({ ...BUILD, state: 'queued', started_at: null }))).toEqual([
    'source done',
    'queued now',
    'building todo',
  ]);
  expect(states(buildSteps(BUILD))).toEqual(['source done', 'queued done', 'building now']);
  expect(states(buildSteps({ ...BUILD, state: 'failed', finished_at: BUILD.started_at }))[2]).toBe('building failed');
  const cancelled = buildSteps({ ...BUILD, state: 'cancelled', started_at: null, finished_at: BUILD.created_at });
  expect(states(cancelled)).toEqual(['source done', 'queued off', 'building off']);
});

test('a release as steps', () => {
  const asked = {
    number: 2,
    state: 'rolling',
    reason: '',
    created_at: '2026-01-01T00:00:00Z',
    rolling_at: '2026-01-01T00:00:01Z',
    finished_at: null as string | null,
    canary: '',
    rollback_of: null,
  };
  const app = { wanted: 2, release: 1, replicas: [replica(), replica({ number: 2, health: '' })] };
  expect(states(releaseSteps(null, null))).toEqual(['rolling todo', 'live todo']);
  expect(releaseSteps(asked, app)[1]).toMatchObject({ state: 'now', detail: '1 of 2 replicas healthy' });
  const failed = releaseSteps({ ...asked, state: 'failed', finished_at: '2026-01-01T00:01:00Z', reason: 'why' }, app);
  expect(states(failed)).toEqual(['asked done', 'rolling failed', 'live off']);
  expect(failed[2]?.detail).toBe('release 1 serves on');
  const was = releaseSteps({ ...asked, state: 'replaced', reason: 'release 3 took over', finished_at: 'x' }, app);
  expect(states(was)).toEqual(['asked done', 'rolling done', 'live off']);
  expect(was[1]?.from).toBeNull();
});

test('a folder is packed into a tar.gz that says each path and content', async () => {
  const long = `shop/${'deep/'.repeat(24)}файл.txt`;
  const entries = ['shop/Dockerfile', 'shop/node_modules/x.js', long].map((path) => ({
    path,
    file: new File([`content of ${path}`], 'x'),
  }));
  const source = folderSource('shop', entries);
  const read: number[] = [];
  expect(source.paths).toEqual(['Dockerfile', long.slice(5)]);
  expect(source.leftOut).toBe(1);
  const tar = gunzipSync(
    Buffer.from(await (await source.pack(new AbortController().signal, (bytes) => read.push(bytes))).arrayBuffer()),
  );
  expect(read.at(-1)).toBe(tar.length);
  expect(await source.read('Dockerfile')).toBe('content of shop/Dockerfile');
  expect(await source.read('nowhere')).toBeNull();
  expect(tar.length % 512).toBe(0);
  expect(tar.subarray(0, 10).toString()).toBe('Dockerfile');
  expect(tar.subarray(512, 530).toString()).toBe('content of shop/Do');
  expect(tar.toString()).toContain(` path=${long.slice(5)}\n`);
  expect(tar.toString()).not.toContain('node_modules');
  const sum = tarHead('a', 3).slice(148, 154);
  expect(Number.parseInt(new TextDecoder().decode(sum), 8)).toBeGreaterThan(0);
});

test('the names in a zip are read from its end; of anything else nothing is said', async () => {
  // What `zip` makes of one file "a.txt" with "hi": local head, content, directory, end.
  const name = Buffer.from('a.txt');
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(46 + name.length, 12);
  end.writeUInt32LE(4, 16);
  const zip = Buffer.concat([Buffer.from('head'), entry, name, end]);
  expect((await archiveSource(new File([zip], 'a.zip'))).paths).toEqual(['a.txt']);
  expect((await archiveSource(new File(['no zip at all, but some text'], 'a.zip'))).paths).toBeNull();
  expect((await archiveSource(new File([zip], 'a.tar.gz'))).paths).toBeNull();
});

test.each([
  ['stored', 0],
  ['deflated', 8],
])('a text in a zip, %s', async (_, method) => {
  const text = 'FROM x\n'.repeat(20);
  const content = method === 8 ? deflateRawSync(text) : Buffer.from(text);
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50, 0);
  head.writeUInt16LE(3, 26);
  head.writeUInt16LE(2, 28);
  const zip = new Blob([Buffer.concat([Buffer.from('..'), head, Buffer.from('a.bXX'), content])]);
  const entry = { name: 'a.b', method, packed: content.length, size: text.length, at: 2 };
  expect(await textInZip(zip, entry, 1000)).toBe(text);
  expect(await textInZip(zip, entry, 10)).toBeNull();
  expect(await textInZip(zip, { ...entry, at: 0 }, 1000)).toBeNull();
});

test('marks stand where a release began to roll out', () => {
  const brief = { reason: '', image: '', canary: '', rollback_of: null, created_at: '', finished_at: null };
  const releases = [
    { ...brief, number: 3, state: 'pending', rolling_at: null },
    { ...brief, number: 2, state: 'live', rolling_at: '2026-11-25T10:00:05Z' },
    { ...brief, number: 1, state: 'replaced', rolling_at: '2026-11-25T10:00:00Z' },
  ];
  const at = Date.parse('2026-11-25T10:00:00Z') / 1000;
  expect(marksOf(releases)).toEqual([
    { at, number: 1, state: 'replaced' },
    { at: at + 5, number: 2, state: 'live' },
  ]);
});
