import { expect, test } from 'vitest';
import type { Spec } from '../../api/client';
import { afterBuild, appOf, buildOf, commandOf, EMPTY, type Form, fieldOf, formOf } from './form';

const SPEC: Spec = {
  image: 'shop:1',
  port: 8080,
  command: ['run', 'a b'],
  replicas: { min: 1, max: 3 },
  autoscale: { requests_per_s: 50, concurrency: 9, cpu_percent: null, memory_percent: null, idle_s: 300 },
  domains: ['shop.example.org'],
  health: { http: '/ok', every_s: 5, timeout_s: 1, failures: 3 },
  resources: { cpu_cores: 1, memory_mb: 128, gpus: 1 },
  env: { A: '1', KEY: 'two\nlines' },
  secrets: [],
  deploy: {
    order: 'stop-first',
    batch: 2,
    healthy_after_s: 1,
    deadline_s: 30,
    rollback: 'off',
    drain_s: 5,
    canary: { replicas: 2, share_percent: 10 },
  },
  release_command: 'migrate',
  constraints: ['node.arch == amd64'],
  labels: { team: 'web', 'draas.build': 'b-1', 'draas.source': 'sha256:1' },
  https: { redirect: true },
  maintenance: false,
  stop_grace_s: 4,
};
const form = (more: Partial<Form>): Form => ({ ...EMPTY, name: 'shop', image: 'shop:1', ...more });

test('a new app says only what was filled in', () => {
  expect(appOf(form({}))).toEqual({ body: { image: 'shop:1' }, faults: {} });
  expect(
    appOf(
      form({
        port: '80',
        command: 'serve',
        env: 'A=1\nB=x=y',
        min: '2',
        max: '5',
        requests: '50',
        cores: '0.25',
        health: 'http',
        probe: '/ok',
        domains: 'a.example, b.example/api',
        order: 'stop-first',
        canary: '1',
        deadline: '20',
      }),
    ).body,
  ).toEqual({
    image: 'shop:1',
    port: 80,
    command: 'serve',
    env: { A: '1', B: 'x=y' },
    replicas: { min: 2, max: 5 },
    autoscale: { requests_per_s: 50 },
    resources: { cpu_cores: 0.25 },
    health: { http: '/ok' },
    domains: ['a.example', 'b.example/api'],
    deploy: { order: 'stop-first', deadline_s: 20, canary: { replicas: 1 } },
  });
});

test('an app whose form is sent as it came is the same app', () => {
  const { body, faults } = appOf(formOf('shop', SPEC), SPEC);
  expect(faults).toEqual({});
  const { labels, autoscale, ...rest } = body;
  const { labels: _, autoscale: __, secrets: ___, maintenance: ____, ...old } = SPEC; // the last two say nothing
  expect(rest).toEqual(old);
  expect(labels).toEqual({ team: 'web' }); // the image is another's from now on
  expect(autoscale).toEqual({ requests_per_s: 50, concurrency: 9, idle_s: 300 });
});

test('what is changed is changed, and what no field shows stays', () => {
  const { body } = appOf({ ...formOf('shop', SPEC), image: 'shop:2', env: 'B=2', canary: '', order: '' }, SPEC);
  expect(body.image).toBe('shop:2');
  expect(body.env).toEqual({ B: '2', KEY: 'two\nlines' });
  expect(body.deploy).toEqual({ batch: 2, healthy_after_s: 1, rollback: 'off', drain_s: 5, deadline_s: 30 });
});

test('what cannot be is told at its field', () => {
  expect(
    appOf(form({ name: 'No!', image: ' ', port: 'x', env: 'A', min: '3', max: '1', health: 'exec' })).faults,
  ).toEqual({
    name: 'Lower-case letters only.',
    image: 'Say which image runs.',
    port: 'This is no number.',
    env: '"A" is not NAME=VALUE.',
    max: 'Less than the least.',
    probe: 'Say which command.',
  });
  expect(buildOf(form({ from: 'git', args: 'V' })).faults).toEqual({ args: '"V" is not NAME=VALUE.' });
});

test('all that an app may say, and that its build may', () => {
  const { body, faults } = appOf(
    form({
      gpus: '1',
      concurrency: '9',
      ram: '80',
      idle: '60',
      every: '5',
      patience: '2',
      failures: '4',
      batch: '2',
      settling: '0',
      drain: '5',
      grace: '4',
      share: '10',
      canary: '1',
      rollback: 'off',
      release: 'migrate',
      redirect: 'yes',
      maintenance: 'yes',
      constraints: 'node.arch == amd64',
      labels: 'team=web',
    }),
  );
  expect(faults).toEqual({});
  expect(body).toEqual({
    image: 'shop:1',
    autoscale: { concurrency: 9, memory_percent: 80, idle_s: 60 },
    resources: { gpus: 1 },
    health: { every_s: 5, timeout_s: 2, failures: 4 },
    deploy: { rollback: 'off', batch: 2, healthy_after_s: 0, drain_s: 5, canary: { replicas: 1, share_percent: 10 } },
    release_command: 'migrate',
    constraints: ['node.arch == amd64'],
    labels: { team: 'web' },
    https: { redirect: true },
    maintenance: true,
    stop_grace_s: 4,
  });
  const build = form({
    from: 'git',
    git: 'https://example.org/shop.git',
    folder: 'web',
    dockerfile: 'Dockerfile.dev',
    target: 'run',
    platform: 'linux/arm64',
    args: 'V=1',
    tags: 'v1, latest',
    secrets: [
      { id: 'npm', value: 'a\nb' },
      { id: '', value: '' },
    ],
    cache: 'no',
    buildCores: '2',
    buildMemory: '512',
    buildGpus: '1',
    buildDisk: '2048',
    buildTimeout: '60',
    buildPriority: '10',
    buildRetries: '1',
    buildNode: 'alpha',
    buildConstraints: 'node.labels.disk == ssd',
    buildLabels: 'team=x',
  });
  expect(buildOf(build)).toEqual({
    body: {
      name: 'shop',
      git: 'https://example.org/shop.git',
      folder: 'web',
      dockerfile: 'Dockerfile.dev',
      target: 'run',
      platform: 'linux/arm64',
      args: { V: '1' },
      tags: ['v1', 'latest'],
      secrets: { npm: 'a\nb' },
      cache: false,
      resources: { cpu_cores: 2, memory_mb: 512, gpus: 1 },
      disk_mb: 2048,
      timeout_s: 60,
      priority: 10,
      retries: 1,
      node: 'alpha',
      constraints: ['node.labels.disk == ssd'],
      labels: { team: 'x' },
    },
    faults: {},
  });
  const twice = [
    { id: 'a', value: '1' },
    { id: 'a', value: '2' },
  ];
  expect(buildOf(form({ secrets: twice })).faults.secrets).toBe('Two have the same id.');
  expect(commandOf(build, '')).not.toContain('a\nb');
});

test('the image of a build comes with its port and says where it is from', () => {
  const build = {
    id: 'b-7',
    image: 'draas.internal/p/shop@sha256:2',
    port: 3000,
    source: { digest: 'sha256:9' },
    git: null,
  };
  const made = afterBuild({ image: 'x', labels: { team: 'web' } }, build);
  expect(made).toEqual({
    image: build.image,
    port: 3000,
    labels: { team: 'web', 'draas.build': 'b-7', 'draas.source': 'sha256:9' },
  });
  expect(afterBuild({ port: 80 }, build).port).toBe(80);
  expect(afterBuild({ health: { none: true } }, build).port).toBeUndefined();
});

test("the API's faults are told at fields", () => {
  expect(fieldOf('env.A')).toBe('env');
  expect(fieldOf('health.http')).toBe('probe');
  expect(fieldOf('deploy.canary.share_percent')).toBe('share');
  expect(fieldOf('constraints[0]')).toBe('constraints');
  expect(fieldOf('spec.folder', 'build')).toBe('folder');
  expect(fieldOf("secrets['a=b']", 'build')).toBe('secrets');
  expect(fieldOf('resources.memory_mb', 'build')).toBe('buildMemory');
  expect(fieldOf('nothing')).toBeUndefined();
});

test('it is told as a command that can be pasted', () => {
  expect(commandOf(form({ port: '80', min: '2', max: '4', env: 'A=x y' }), '')).toBe(
    "draas deploy --image shop:1 --name shop --port 80 --replicas 2..4 --env 'A=x y'",
  );
  expect(commandOf(form({ from: 'files' }), 'my shop.zip')).toBe("draas deploy 'my shop.zip' --name shop");
});
