// Problem: an error that the API told (RFC 9457), or that kept it from telling anything.

export interface Fault {
  path: string;
  message: string;
}

export class Problem extends Error {
  readonly status: number; // 0: there was no answer
  readonly title: string;
  readonly faults: Fault[];

  constructor(status: number, title: string, detail: string, faults: Fault[] = []) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.title = title;
    this.faults = faults;
  }
}

/** The problem in `body`, whatever that is: a proxy may have answered in the controller's place. */
export function problemOf(status: number, body: unknown): Problem {
  if (typeof body === 'object' && body !== null) {
    const told = body as { title?: unknown; detail?: unknown; errors?: unknown };
    const faults = Array.isArray(told.errors) ? told.errors.filter(isFault) : [];
    const title = typeof told.title === 'string' ? told.title : `Error ${status}`;
    return new Problem(status, title, typeof told.detail === 'string' ? told.detail : title, faults);
  }
  return new Problem(status, `Error ${status}`, `The answer has status ${status} and says nothing more.`);
}

function isFault(one: unknown): one is Fault {
  const fault = one as Partial<Fault> | null;
  return typeof fault?.path === 'string' && typeof fault.message === 'string';
}

/** Any error as a problem, for showing. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof TypeError) {
    return new Problem(0, 'No answer', 'The controller cannot be reached. It is tried again by itself.');
  }
  return new Problem(0, 'Error', error instanceof Error ? error.message : String(error));
}
