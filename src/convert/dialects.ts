import { convertKubernetes } from './kubernetes/documents.ts';
import type { Dialect, System } from './system.ts';

/** How the files of each system are read. */
export const DIALECTS: Readonly<Record<System, Dialect>> = {
  kubernetes: { convert: convertKubernetes, templates: false },
};
