import { formatProblem, placeFindings } from '../job/problems.ts';
import { schemaFindings } from '../job/validate.ts';
import { readYaml } from '../job/yaml.ts';
import type { Request } from '../schemas/index.ts';

/** The request that a file holds, or why it holds none: the first problem with its place, `requests/1.yaml:3:1: …`. */
export function judgeRequestFile(
  path: string,
  bytes: Uint8Array,
): { readonly request: Request; readonly problem?: never } | { readonly request?: never; readonly problem: string } {
  const { file, fault } = readYaml(bytes);
  if (fault) return { problem: formatProblem({ file: path, ...fault }) };
  const [document] = file.documents;
  if (file.documents.length !== 1)
    return { problem: `${path}: holds ${file.documents.length} documents; it has to be one request` };
  const [first, ...others] = placeFindings(path, file, 0, schemaFindings('request', document));
  if (!first) return { request: document as Request };
  return { problem: `${formatProblem(first)}${others.length > 0 ? ` (and ${others.length} more)` : ''}` };
}
