// Key: an Idempotency-Key, so that a request sent again by the network does nothing twice.

/** Fresh at each call. randomUUID is there on secure pages only, getRandomValues everywhere. */
export function freshKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
