export type Mapping = Readonly<Record<string, unknown>>;

export const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A scalar as the text that it is written as in JSON; undefined for lists and mappings. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

export function textsOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const texts = value.map((item: unknown) => textOf(item));
  return texts.some((text) => text === undefined) ? undefined : (texts as readonly string[]);
}

export function textMapOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (!isMapping(value)) return undefined;
  const entries = Object.entries(value).map(([key, item]) => [key, item === null ? '' : textOf(item)] as const);
  return entries.some(([, text]) => text === undefined)
    ? undefined
    : (Object.fromEntries(entries) as Readonly<Record<string, string>>);
}
