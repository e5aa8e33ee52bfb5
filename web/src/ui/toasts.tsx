// Toasts: what was done, or why not, told for a while in a corner.
import { useSyncExternalStore } from 'react';
import { Icon } from './icons';

interface Toast {
  id: number;
  tone: 'good' | 'bad';
  title?: string;
  message: string;
}

const SHOWN_MS = { good: 4000, bad: 10_000 };
const MOST = 4;

let shown: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function change(to: readonly Toast[]): void {
  shown = to;
  for (const listener of listeners) listener();
}

const close = (id: number) => change(shown.filter((toast) => toast.id !== id));

export function toast(told: Omit<Toast, 'id'>): void {
  const id = ++lastId;
  change([...shown, { ...told, id }].slice(-MOST));
  setTimeout(() => close(id), SHOWN_MS[told.tone]);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const now = useSyncExternalStore(subscribe, () => shown);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {now.map((one) => (
        <div key={one.id} className="toast" data-tone={one.tone}>
          <Icon name={one.tone === 'good' ? 'check' : 'alert'} size={16} />
          <div>
            {one.title !== undefined && <b>{one.title}</b>}
            <div>{one.message}</div>
          </div>
          <button type="button" className="account" aria-label="Close" onClick={() => close(one.id)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
    </div>
  );
}
