import { posix } from 'node:path';
import type { Job, JobFile } from '../schemas/index.ts';
import { resolveFrom } from './paths.ts';
import type { FieldPath } from './positions.ts';
import { formatBytes } from './quantity.ts';
import type { Report, Rule } from './rule.ts';
import { quote } from './words.ts';

/**
 * What scripts and files of a run may take together, in bytes: they travel in one ConfigMap, which Kubernetes limits to 1 MiB
 * (https://kubernetes.io/docs/concepts/configuration/configmap/), names and metadata included.
 */
export const CONTENT_LIMIT = 1_000_000;

/** Paths of files are their own, and stay out of folders that belong to the system or to runledger. */
export const filesRule: Rule = ({ job, manifestPath }, report) => {
  const { files } = job.spec;
  if (!files) return;
  const taken = new Set<string>();
  const folders = new Set<string>();
  for (const [index, file] of files.entries()) {
    const path = ['spec', 'files', index];
    checkFile(file, path, manifestPath, report);
    const place = posix.normalize(file.path);
    const above = foldersAbove(place);
    const blocked = above.find((folder) => taken.has(folder));
    if (taken.has(place)) report([...path, 'path'], `${quote(file.path)} is written twice`);
    else if (blocked !== undefined)
      report([...path, 'path'], `${quote(file.path)} lies below ${quote(blocked)}, which is a file`);
    else if (folders.has(place)) report([...path, 'path'], `${quote(file.path)} is the folder of another file already`);
    taken.add(place);
    for (const folder of above) folders.add(folder);
  }
};

/** Deeper than any file system goes. */
const DEEPEST_PATH = 100;

function foldersAbove(path: string): readonly string[] {
  const parts = path.split('/').slice(0, DEEPEST_PATH);
  return parts.slice(1).map((_part, index) => parts.slice(0, index + 1).join('/'));
}

const RESERVED = /^\/(proc|sys|dev|runledger)(\/|$)/;

function checkFile(file: JobFile, path: FieldPath, manifestPath: string, report: Report): void {
  const place = posix.normalize(file.path);
  if (place === '.') report([...path, 'path'], `${quote(file.path)} is not the path of a file`);
  if (file.path.split('/').length > DEEPEST_PATH) report([...path, 'path'], `${quote(file.path)} has too many folders`);
  if (RESERVED.test(place)) {
    const hint = place.startsWith('/runledger/files/') ? `; write ${place.slice('/runledger/files/'.length)}` : '';
    report([...path, 'path'], `${quote(file.path)} lies in a folder that is not the job's${hint}`);
  }
  if (file.from !== undefined && resolveFrom(manifestPath, file.from) === undefined)
    report([...path, 'from'], `${quote(file.from)} leaves the repository`);
}

export const contentRule: Rule = ({ job, text }, report) => {
  // A character has three bytes at most, and none is shorter in JSON.
  if (text.length * 3 <= CONTENT_LIMIT) return;
  const bytes = contentBytes(job.spec);
  if (bytes > CONTENT_LIMIT) report(['spec'], contentTrouble(bytes), 'key');
};

/** Bytes of the scripts and the files that are written into a spec; without those that `from` draws in. */
export function contentBytes({ run = '', steps = [], files = [] }: Job['spec']): number {
  let bytes = Buffer.byteLength(run);
  for (const step of steps) bytes += Buffer.byteLength(step.run ?? '');
  for (const file of files) bytes += Buffer.byteLength(file.content ?? '');
  return bytes;
}

export function contentTrouble(bytes: number): string {
  return `scripts and files have ${formatBytes(bytes)} together; a run can carry ${formatBytes(CONTENT_LIMIT)}`;
}
