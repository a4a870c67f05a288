import type { AttemptArtifacts } from './port.ts';

/** What is told of artifacts, with secrets taken out of names and sentences: a file may be called after one. */
export async function redactedArtifacts(
  { archive, files, warnings }: AttemptArtifacts,
  redact: (text: string) => string | Promise<string>,
): Promise<AttemptArtifacts> {
  const reason = archive?.reason === undefined ? {} : { reason: await redact(archive.reason) };
  return {
    ...(archive ? { archive: { ...archive, ...reason } } : {}),
    files: await Promise.all(files.map(async (file) => ({ ...file, path: await redact(file.path) }))),
    warnings: await Promise.all(warnings.map(async (text) => redact(text))),
  };
}
