// Tone: which of five meanings a state has; each has one colour everywhere. Pure.

export type Tone = 'good' | 'busy' | 'wait' | 'bad' | 'off';

const TONES: Record<string, Tone> = {
  // jobs, attempts, builds
  waiting: 'wait',
  queued: 'wait',
  running: 'busy',
  succeeded: 'good',
  failed: 'bad',
  cancelled: 'off',
  skipped: 'off',
  assigned: 'wait',
  preparing: 'busy',
  starting: 'busy',
  stopped: 'off',
  lost: 'bad',
  // machines
  ready: 'good',
  draining: 'wait',
  disconnected: 'bad',
  down: 'bad',
  left: 'off',
  // apps and releases
  live: 'good',
  deploying: 'busy',
  rolling: 'busy',
  pending: 'wait',
  degraded: 'bad',
  healthy: 'good',
  unhealthy: 'bad',
  canary: 'wait',
  leaving: 'wait',
  removing: 'wait',
};

export const toneOf = (state: string): Tone => TONES[state] ?? 'off';
