import { notForge } from './errors.ts';

/** A JSON object from outside, read field by field; what is not as it should be is `NotForge`, with the path to it. */
export interface Reading {
  text(...path: readonly string[]): string;
  /** The text there, or undefined where there is none or null. */
  maybeText(...path: readonly string[]): string | undefined;
  number(...path: readonly string[]): number;
  maybeNumber(...path: readonly string[]): number | undefined;
  isTrue(...path: readonly string[]): boolean;
}

export function reading(value: unknown, where: string): Reading {
  const at = (path: readonly string[]): unknown =>
    path.reduce<unknown>(
      (inner, key) =>
        typeof inner === 'object' && inner !== null ? (inner as Readonly<Record<string, unknown>>)[key] : undefined,
      value,
    );
  const maybeText = (...path: readonly string[]): string | undefined => {
    const found = at(path);
    return typeof found === 'string' ? found : undefined;
  };
  const maybeNumber = (...path: readonly string[]): number | undefined => {
    const found = at(path);
    return typeof found === 'number' && Number.isSafeInteger(found) ? found : undefined;
  };
  const lacks = (path: readonly string[]) => notForge(where, `${path.join('.')} is missing`);
  return {
    maybeText,
    maybeNumber,
    isTrue: (...path) => at(path) === true,
    text(...path) {
      const found = maybeText(...path);
      if (found === undefined) throw lacks(path);
      return found;
    },
    number(...path) {
      const found = maybeNumber(...path);
      if (found === undefined) throw lacks(path);
      return found;
    },
  };
}
