import { textsOf } from './asked.js';
import type { Life } from './lifecycle.js';

/** A text of the request shorter than this, in characters, is looked for also as a whole. */
const SHORT_CHARS = 16;

/** What a caller asked and was answered: nobody else is to read it. */
export function privateTextsOf({ generation: { log }, request }: Life): string[] {
  // The model's name is no secret, and images are no text.
  const { model: _model, ...fields } = request;
  const said = JSON.stringify(fields, (name, value) =>
    // Of the options only the stop sequences are texts; their names are everybody's words.
    name === 'images' ? undefined : name === 'options' ? value?.stop : value,
  );
  // Short texts are looked for as a whole; all of them stand in the JSON too.
  const short = textsOf(request).filter((text) => text.length < SHORT_CHARS);
  return [...short, said, log.all('text'), log.all('thinking')];
}
