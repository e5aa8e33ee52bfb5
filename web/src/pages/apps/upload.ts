// Upload: a build with its source, with the progress that fetch cannot tell.
import { type Build, OWN_PAGE, type Schemas } from '../../api/client';
import { Problem, problemOf } from '../../api/problem';

interface Sending {
  spec: Schemas['BuildBody'];
  source: Blob;
  file: string;
  project: string | null;
  /** The Idempotency-Key. */
  key: string;
  onProgress: (sent: number, total: number) => void;
  signal: AbortSignal;
}

/** The new build. Throws Problem; a DOMException named AbortError where `signal` was. */
export function uploadBuild({ spec, source, file, project, key, onProgress, signal }: Sending): Promise<Build> {
  const form = new FormData();
  form.append('spec', JSON.stringify(spec));
  form.append('source', source, file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/api/builds${project === null ? '' : `?project=${encodeURIComponent(project)}`}`);
    for (const [name, value] of Object.entries({ ...OWN_PAGE, 'Idempotency-Key': key })) {
      request.setRequestHeader(name, value);
    }
    request.responseType = 'json';
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total || source.size);
    request.onload = () => {
      if (request.status === 201 || request.status === 200) resolve(request.response as Build);
      else reject(problemOf(request.status, request.response));
    };
    request.onerror = () =>
      reject(new Problem(0, 'The upload was cut', 'The connection to the controller broke. Send it again.'));
    request.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
    signal.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}
