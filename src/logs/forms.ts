import { printable } from './lines.ts';

/** Values with fewer characters are not redacted: they would tear holes into every log and hide nothing. */
export const SHORTEST_SECRET = 6;

/** Columns at which `base64` (coreutils) and PEM files break their lines. */
const WRAPS = [76, 64] as const;

/** How each byte is written where only what `plain` matches is left as it is. */
const escapes = (plain: RegExp): readonly string[] =>
  Array.from({ length: 256 }, (_, byte) => {
    const character = String.fromCharCode(byte);
    const isPlain = byte < 0x80 && plain.test(character);
    return isPlain ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  });

/** RFC 3986 unreserved; what encodeURIComponent leaves; an HTML form (a space is a plus sign); a part of a path; nothing. */
const URL_ESCAPES: readonly (readonly string[])[] = [
  escapes(/[A-Za-z0-9\-._~]/),
  escapes(/[A-Za-z0-9\-._~!'()*]/),
  escapes(/[A-Za-z0-9\-._* ]/).map((escape) => (escape === ' ' ? '+' : escape)),
  escapes(/[A-Za-z0-9\-._~/:@]/),
  escapes(/[A-Za-z0-9\-._~!'()*;/?:@&=+$,#]/),
  escapes(/(?!)/),
];

function urlForms(value: string): string[] {
  const bytes = Buffer.from(value);
  return URL_ESCAPES.flatMap((table) => {
    let form = '';
    for (const byte of bytes) form += table[byte]!;
    // Without an escape it is the value itself, which is looked for anyway.
    return form.includes('%') ? [form, form.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())] : [form];
  });
}

const unicodeEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** As JSON.stringify writes it, in ASCII only, with the slash escaped, and safe within HTML (as Go and Ruby write it). */
function jsonForms(value: string): string[] {
  const form = JSON.stringify(value).slice(1, -1);
  const forms = [
    form,
    form.replace(/[\u007f-\uffff]/g, unicodeEscape),
    form.replaceAll('/', '\\/'),
    form.replace(/[<>&\u2028\u2029]/g, unicodeEscape),
  ];
  return forms.flatMap((one) => [
    one,
    one.replace(/\\u[0-9a-f]{4}/g, (escape) => `\\u${escape.slice(2).toUpperCase()}`),
  ]);
}

/**
 * Base64 (RFC 4648 §4 and §5) of the value on its own, and of what stays the same of it within a longer text: encoded
 * after 0, 1 or 2 other bytes, without the characters that its neighbours have a part in.
 */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value);
  const alone = bytes.toString('base64');
  const within = [0, 1, 2].map((shift) => {
    const padded = Buffer.concat([Buffer.alloc(shift), bytes]);
    return padded.toString('base64').slice(shift === 0 ? 0 : shift + 1, Math.floor((padded.length * 8) / 6));
  });
  const standard = [alone, alone.replaceAll('=', ''), ...within];
  return standard.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
}

/** A long value's base64 as the usual tools break it into lines: as a whole, and line by line. */
function wrappedBase64(value: string): string[] {
  const alone = Buffer.from(value).toString('base64');
  return WRAPS.filter((columns) => alone.length > columns).flatMap((columns) => {
    const lines: string[] = alone.match(new RegExp(`.{1,${columns}}`, 'g')) ?? [];
    return lines.concat(lines.join('\n'));
  });
}

/** Whether a value is long enough to be redacted. */
export const isRedactable = (value: string): boolean => Array.from(value.trim()).length >= SHORTEST_SECRET;

/**
 * Every form in which a secret value is looked for: as it is, each line of a value of several lines, and each of these
 * in base64, URL-encoded and JSON-escaped; all as the reader of lines would make them printable. Empty for a value
 * that is too short; lines that are too short are looked for only as part of the whole.
 */
export function secretForms(value: string): Buffer[] {
  if (!isRedactable(value)) return [];
  const unix = value.replaceAll('\r\n', '\n');
  const wholes = [value, unix, value.replace(/[\r\n]+$/, ''), unix.replace(/\n+$/, ''), value.trim()];
  const lines = value.split(/\r\n|\r|\n/).flatMap((line) => [line, line.trim()]);
  const forms = new Set<string>();
  for (const text of new Set([...wholes, ...lines].filter(isRedactable))) {
    for (const form of [text, ...base64Forms(text), ...urlForms(text), ...jsonForms(text)]) forms.add(form);
  }
  for (const text of new Set(wholes)) for (const form of wrappedBase64(text)) forms.add(form);
  const shown = new Set(Array.from(forms, shownAs));
  return Array.from(shown, (form) => Buffer.from(form, 'latin1')).filter((form) => form.length >= SHORTEST_SECRET);
}

/** A form as the reader of lines makes it printable, in latin1: a character a byte. */
const shownAs = (form: string): string =>
  /^[\t\n\x20-\x7e]*$/.test(form) ? form : printable(Buffer.from(form)).toString('latin1');
