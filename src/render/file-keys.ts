import { createHash } from 'node:crypto';
import type { JobFile } from '../schemas/index.ts';
import { KEYS } from './layout.ts';

/**
 * The key under which the payload holds a file: its place in the spec, and where the content is not as written, since a task
 * has filled it in, a variant for each content. So the one payload of a run serves all of its tasks.
 */
export function fileKey(index: number, written: JobFile | undefined, ofTask: JobFile): string {
  if (ofTask.content === undefined || ofTask.content === written?.content) return KEYS.file(index);
  return KEYS.file(index, createHash('sha256').update(ofTask.content).digest('hex').slice(0, 16));
}
