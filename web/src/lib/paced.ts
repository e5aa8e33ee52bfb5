// Paced: work that is asked for often and done seldom.

export interface Paced {
  ask: () => void;
  /** What was asked for is not done any more. */
  stop: () => void;
}

/** Does `work` after it was asked for: at most once every `everyMs`, and not before the time before has ended. */
export function paced(everyMs: number, work: () => unknown): Paced {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = Number.NEGATIVE_INFINITY;
  let isBusy = false;
  let isWanted = false;
  const ask = () => {
    isWanted = true;
    if (!isBusy) timer ??= setTimeout(() => void run(), Math.max(0, everyMs - (performance.now() - last)));
  };
  const run = async () => {
    timer = undefined;
    last = performance.now();
    isBusy = true;
    isWanted = false;
    try {
      await work();
    } finally {
      isBusy = false;
      if (isWanted) ask();
    }
  };
  const stop = () => {
    clearTimeout(timer);
    timer = undefined;
    isWanted = false;
  };
  return { ask, stop };
}
