import type { Draft } from './draft.ts';
import type { Reader } from './reader.ts';

export const SYSTEMS = ['opslevel', 'alfred', 'semaphore', 'github', 'kubernetes'] as const;

/** Where job files come from. */
export type System = (typeof SYSTEMS)[number];

/** What a converter knows besides the document. */
export interface Surroundings {
  /** What a job is called that has no name: the file's, without folder and extension. */
  readonly fileName: string;
  /** The text of a scalar as it is written, where it is without quotes. */
  readonly written: (path: readonly (string | number)[]) => string | undefined;
}

/** Turns a document of another system into jobs. What it does not read is reported by whoever calls it. */
export type Converter = (reader: Reader, surroundings: Surroundings) => readonly Draft[];

/** How a system's files are read. */
export interface Dialect {
  readonly convert: Converter;
  /** Whether `${{ }}` in what `convert` makes are templates of ours; else they are characters. */
  readonly templates: boolean;
  /** Why a file can't be read at all, by its text: where, and what to do. */
  refuses?(text: string): { readonly offset: number; readonly message: string } | undefined;
}
