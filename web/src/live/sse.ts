// Server-sent events out of a stream of text, by the rules of WHATWG HTML, "Interpreting an event stream". Pure.

export interface Frame {
  id: string | null; // null: the frame has none
  event: string;
  data: string;
}

/** Gives the frames that each further piece of text completes. One parser is for one stream. */
export function frameParser(): (text: string) => Frame[] {
  let rest = '';
  let id: string | null = null;
  let event = '';
  let data: string[] = [];

  return (text) => {
    rest += text;
    const frames: Frame[] = [];
    for (;;) {
      const end = rest.search(/\r\n|\n|\r(?!$)/); // a \r at the end may be half of a \r\n
      if (end < 0) return frames;
      const line = rest.slice(0, end);
      rest = rest.slice(end + (rest.startsWith('\r\n', end) ? 2 : 1));
      if (line === '') {
        if (data.length > 0 || id !== null) frames.push({ id, event: event || 'message', data: data.join('\n') });
        id = null;
        event = '';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') data.push(value);
      else if (field === 'event') event = value;
      else if (field === 'id' && !value.includes('\0')) id = value;
    }
  };
}
