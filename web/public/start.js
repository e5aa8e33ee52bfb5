// Start: what cannot wait for the page's scripts. It runs before anything is drawn.
(() => {
  // What every page asks for is asked for now, while the scripts are on their way; api/client.ts takes the answers up.
  const answers = new Map();
  const ask = (address) => {
    const answer = fetch(address, { headers: { 'x-draas-request': '1' } });
    answer.catch(() => undefined); // who wants it asks again
    answers.set(address, answer);
    return answer;
  };
  globalThis.draasAnswers = answers;
  ask('/api/session');
  // All at once: on a slow CPU the answer to one is not seen before the scripts have run.
  if (document.querySelector('meta[name="draas-session"]').content === 'sent') {
    for (const noun of ['nodes', 'apps', 'status']) ask(`/api/${noun}`);
  }

  // The colour scheme that was chosen here before, so that no page flashes.
  let chosen = null;
  try {
    chosen = localStorage.getItem('mantine-color-scheme-value');
  } catch {
    // storage is switched off: the system's scheme it is
  }
  const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
  if (location.pathname.endsWith('/sign-in')) document.documentElement.setAttribute('data-bare', ''); // has no frame
})();
