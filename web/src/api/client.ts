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

export const api = createClient<paths>({ headers: OWN_PAGE });

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
