// Next: where to go after the sign-in: only to a page of ours, whatever the address says. Pure.

const ANY = 'http://any.invalid';

/** A path within the dashboard, undefined for anything else. */
export function safeNext(given: unknown): string | undefined {
  if (typeof given !== 'string' || !given.startsWith('/') || given.length > 2000) return undefined;
  try {
    const url = new URL(given, ANY);
    return url.origin === ANY && url.pathname !== '/sign-in' ? url.pathname + url.search + url.hash : undefined;
  } catch {
    return undefined;
  }
}
