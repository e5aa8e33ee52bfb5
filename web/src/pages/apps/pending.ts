// Pending: the app that a build's image is to become, kept in this tab until then, so that a reload loses nothing.
import type { Schemas } from '../../api/client';

export interface Pending {
  name: string;
  body: Schemas['AppBody'];
  project: string | null;
}

const keyOf = (build: string) => `draas.deploy.${build}`;

export function keepPending(build: string, pending: Pending): void {
  try {
    sessionStorage.setItem(keyOf(build), JSON.stringify(pending));
  } catch {
    // no room, or not allowed: the page still has it for as long as it is open
  }
  memory.set(build, pending);
}

const memory = new Map<string, Pending>();

export function pendingOf(build: string): Pending | null {
  try {
    const kept = sessionStorage.getItem(keyOf(build));
    if (kept !== null) return JSON.parse(kept) as Pending;
  } catch {
    // as above
  }
  return memory.get(build) ?? null;
}

export function forgetPending(build: string): void {
  memory.delete(build);
  try {
    sessionStorage.removeItem(keyOf(build));
  } catch {
    // as above
  }
}
