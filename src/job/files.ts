import { terminalError } from '../errors.ts';
import type { RunFile } from '../runner/port.ts';
import type { Snapshot } from '../sources/port.ts';
import { DEFAULT_FILE_MODE } from './defaults.ts';
import type { DesiredJob } from './model.ts';
import { resolveFrom } from './paths.ts';

/**
 * The files that a run of the job mounts, with their contents: those written in the manifest, and those of the repository. The
 * ones from Secrets are left to the runner. Throws CodedError `FileMissing`, or whatever reading from the snapshot throws.
 */
export async function resolveFiles(job: DesiredJob, snapshot: Snapshot): Promise<readonly RunFile[]> {
  const files: RunFile[] = [];
  for (const file of job.manifest.spec.files ?? []) {
    const mode = Number.parseInt(file.mode ?? DEFAULT_FILE_MODE, 8);
    if (file.content !== undefined) files.push({ path: file.path, mode, content: Buffer.from(file.content) });
    if (file.from !== undefined)
      files.push({ path: file.path, mode, content: await contentOf(job, file.from, snapshot) });
  }
  return files;
}

async function contentOf(job: DesiredJob, from: string, snapshot: Snapshot): Promise<Uint8Array> {
  const path = resolveFrom(job.path, from);
  const file = path === undefined ? undefined : await snapshot.find(path);
  if (!file)
    throw terminalError('FileMissing', `${job.path}: the file ${from} that ${job.name} needs is not in the repository`);
  return snapshot.read(file);
}
