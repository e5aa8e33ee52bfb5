// Client: the API, typed by its own OpenAPI document (schema.d.ts, written by web/schema.py).
import createClient from 'openapi-fetch';
import { problemOf } from './problem';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];
export type Job = Schemas['JobView'];
export type JobSummary = Schemas['JobSummary'];
export type Attempt = Schemas['AttemptView'];
export type Machine = Schemas['NodeView'];
export type App = Schemas['AppSummary'];
export type AppDetail = Schemas['AppView'];
export type Replica = Schemas['ReplicaView'];
export type Release = Schemas['ReleaseView'];
export type Spec = Schemas['SpecView'];
export type Build = Schemas['BuildView'];
export type BuildSummary = Schemas['BuildSummary'];
export type Session = Schemas['SessionView'];
export type EventView = Schemas['EventView'];

/** Says that a request comes from this page; the API wants it with a session's cookie (see sessions.py). */
export const OWN_PAGE = { 'x-draas-request': '1' };

const TRIES = 3;
const PAUSE_MS = 300;

/** Whether the API does a request but once, however often it comes. What only reads is tried again by the queries. */
const isOnce = (request: Request) => request.method === 'PUT' || request.headers.has('Idempotency-Key');

/**
 * Sends again what a cut has kept from being answered. Chromium cuts every request when an interface of the machine
 * comes or goes, which each container's does.
 */
async function send(request: Request): Promise<Response> {
  const early = await takeEarly(request);
  if (early !== undefined) return early;
  for (let left = isOnce(request) ? TRIES - 1 : 0; ; left--) {
    try {
      return await fetch(request.clone());
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** The answer to what public/start.js has asked before the scripts were here: each is good once. */
async function takeEarly({ method, url }: Request): Promise<Response | undefined> {
  const { draasAnswers: answers } = globalThis as { draasAnswers?: Map<string, Promise<Response>> };
  const { pathname, search } = new URL(url);
  const asked = method === 'GET' ? answers?.get(pathname + search) : undefined;
  if (asked === undefined) return undefined;
  answers?.delete(pathname + search);
  const answer = await asked.catch(() => undefined);
  return answer?.ok ? answer : undefined;
}

export const api = createClient<paths>({ headers: OWN_PAGE, fetch: send });

interface Answered<T> {
  data?: T | undefined;
  error?: unknown;
  response: Response;
}

let onSignedOut: () => void = () => {};

/** What to do when the API says that nobody is signed in any more. */
export function whenSignedOut(then: () => void): void {
  onSignedOut = then;
}

/** The body of a good answer. Throws Problem. */
export async function take<T>(asked: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok) {
    if (response.status === 401) onSignedOut();
    throw problemOf(response.status, error);
  }
  return data as T;
}
