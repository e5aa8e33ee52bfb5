// Steps: a deployment as what it went through, with times: upload, queue, build, roll-out, live. Pure.
import type { AppDetail, BuildSummary, Release } from '../../api/client';
import { count } from '../../lib/amounts';

export type StepState = 'todo' | 'now' | 'done' | 'failed' | 'off';

export interface Step {
  name: 'source' | 'queued' | 'building' | 'asked' | 'rolling' | 'live';
  label: string;
  state: StepState;
  from: string | null;
  to: string | null;
  detail: string;
}

type Built = Pick<
  BuildSummary,
  'state' | 'created_at' | 'queued_at' | 'started_at' | 'finished_at' | 'node' | 'git' | 'reason' | 'kind'
>;
type Rolled = Pick<
  Release,
  'number' | 'state' | 'reason' | 'created_at' | 'rolling_at' | 'finished_at' | 'canary' | 'rollback_of'
>;
type Seen = Pick<AppDetail, 'wanted' | 'replicas' | 'release'>;

/** A build's part of a deployment. */
export function buildSteps(build: Built): Step[] {
  const ended = ['succeeded', 'failed', 'cancelled', 'skipped'].includes(build.state);
  const isQueued = build.state === 'queued' || build.state === 'waiting';
  const began = build.started_at !== null;
  return [
    {
      name: 'source',
      label: build.git === null ? 'Uploaded' : 'Git repository',
      state: 'done',
      from: null,
      to: build.created_at,
      detail: build.git ?? '',
    },
    {
      name: 'queued',
      label: 'Queued',
      state: isQueued ? 'now' : ended && !began ? 'off' : 'done',
      from: build.queued_at ?? build.created_at,
      to: build.started_at ?? (ended ? build.finished_at : null),
      detail: isQueued ? build.reason : '',
    },
    {
      name: 'building',
      label: build.state === 'succeeded' ? 'Built' : build.state === 'cancelled' ? 'Cancelled' : 'Building',
      state: !ended
        ? isQueued
          ? 'todo'
          : 'now'
        : build.state === 'succeeded'
          ? 'done'
          : build.state === 'failed'
            ? 'failed'
            : 'off',
      from: build.started_at,
      to: build.finished_at,
      detail: [build.kind, build.node === null ? '' : `on ${build.node}`].filter(Boolean).join(', '),
    },
  ];
}

/** A release's part. `release` null: it has not been asked for yet. */
export function releaseSteps(release: Rolled | null, app: Seen | null): Step[] {
  if (release === null) {
    return [
      { name: 'rolling', label: 'Roll out', state: 'todo', from: null, to: null, detail: '' },
      { name: 'live', label: 'Live', state: 'todo', from: null, to: null, detail: '' },
    ];
  }
  const { state } = release;
  const hasFailed = state === 'failed';
  // A release that was live keeps the time of its end alone: when it went live is not known any more.
  const wasLive = state === 'replaced' && release.reason.includes('took over');
  const isGivenUp = state === 'replaced' && !wasLive;
  const healthy = app?.replicas.filter((one) => one.release === release.number && one.health === 'healthy').length ?? 0;
  const rolling: Record<string, StepState> = { pending: 'todo', rolling: 'now', live: 'done', failed: 'failed' };
  return [
    {
      name: 'asked',
      label: release.rollback_of === null ? 'Asked for' : `Asked for: back to release ${release.rollback_of}`,
      state: state === 'pending' ? 'now' : 'done',
      from: release.created_at,
      to: release.rolling_at ?? release.finished_at,
      detail: state === 'pending' ? 'waits for the roll-out before it' : '',
    },
    {
      name: 'rolling',
      label: state === 'rolling' ? 'Rolling out' : 'Roll-out',
      state: rolling[state] ?? (wasLive ? 'done' : 'off'),
      from: wasLive ? null : release.rolling_at,
      to: state === 'rolling' ? null : release.finished_at,
      detail:
        state === 'rolling' && release.canary === 'testing'
          ? `the canary is up: ${count(healthy, 'replica')} healthy`
          : state === 'rolling' && app !== null
            ? `${healthy} of ${count(app.wanted, 'replica')} healthy`
            : isGivenUp
              ? release.reason
              : '',
    },
    {
      name: 'live',
      label: hasFailed || isGivenUp ? 'Not live' : wasLive ? 'Was live' : 'Live',
      state: state === 'live' ? 'done' : state === 'pending' || state === 'rolling' ? 'todo' : 'off',
      from: null,
      to: state === 'live' || wasLive ? release.finished_at : null,
      detail: wasLive
        ? release.reason
        : hasFailed && app !== null && app.release !== null
          ? `release ${app.release} serves on`
          : '',
    },
  ];
}
