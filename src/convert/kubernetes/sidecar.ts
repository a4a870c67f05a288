import { formatDuration } from '../../job/duration.ts';
import { defined, type Draft, nonEmpty } from '../draft.ts';
import type { Fields } from '../reader.ts';
import { takeTermination } from './container.ts';
import { takeUser } from './security.ts';
import { expand, filledIn, hasIndex, readVariables } from './variables.ts';

/** Fields that a service has nothing for. */
const NO_COUNTERPART = ['envFrom', 'volumeMounts', 'volumeDevices', 'lifecycle', 'workingDir'] as const;

/** A container that goes on beside the steps, as a service under its name. */
export function convertSidecar(
  container: Fields,
  draft: Draft,
  names: (wanted: string | undefined, otherwise: string) => string,
): readonly [string, unknown] {
  const name = names(container.text('name'), 'service');
  const path = ['spec', 'services', name];
  const variables = readVariables(container, hasIndex(draft), (variable) =>
    draft.todo([...path, 'env', variable], 'the Secret was optional; here it has to be there'),
  );
  if (variables.overlay.length > 0)
    container.loss(
      'env',
      'services have variables with texts and Secrets only, not with fields of the pod or ConfigMaps',
    );
  for (const key of NO_COUNTERPART)
    if (container.has(key)) container.loss(key, 'services have nothing like it; a step has');
  const security = { ...(container.take('securityContext') as Record<string, unknown> | undefined) };
  const user = takeUser(security);
  delete security['capabilities'];
  if (nonEmpty(security))
    draft.todo(path, `securityContext is left out but for the user: ${Object.keys(security).join(', ')}`);
  const words = (key: 'command' | 'args'): readonly string[] | undefined =>
    nonEmpty(container.texts(key))?.map((word) => {
      const { text, unknown } = expand(word, variables.values);
      for (const variable of unknown) container.loss(key, filledIn(variable));
      return text;
    });
  const health = healthOf(container, draft, path);
  for (const key of ['ports', 'imagePullPolicy', 'resizePolicy'])
    if (container.has(key)) draft.note(path, `left out: ${key} ${JSON.stringify(container.take(key))}`);
  takeTermination(container);
  container.take('restartPolicy');
  const resources = container.take('resources');
  const service = defined({
    image: container.text('image'),
    command: words('command'),
    args: words('args'),
    env: nonEmpty({ ...variables.env }),
    user,
    resources: nonEmpty(resources as object | undefined),
    health,
  });
  return [name, service];
}

interface Port {
  readonly name?: string;
  readonly containerPort?: number;
}

const portsOf = (value: unknown): readonly (Port | null)[] =>
  Array.isArray(value) ? (value as readonly (Port | null)[]) : [];

/** The probe that says when the steps may start. */
function healthOf(container: Fields, draft: Draft, path: readonly string[]): unknown {
  const key = container.has('startupProbe') ? 'startupProbe' : 'readinessProbe';
  for (const other of ['readinessProbe', 'livenessProbe'])
    if (other !== key && container.has(other))
      draft.todo(path, `${other} is left out; ${JSON.stringify(container.take(other))}`);
  const probe = container.fields(key);
  if (probe === undefined) return undefined;
  const ports = portsOf(container.take('ports'));
  const portOf = (of: Fields | undefined): number | undefined => {
    if (of === undefined) return undefined;
    if (of.type('port') === 'integer') return of.integer('port');
    const name = of.text('port');
    return ports.find((port) => port?.name === name)?.containerPort;
  };
  const http = probe.fields('httpGet');
  if (http && http.has('scheme') && http.text('scheme') !== 'HTTP')
    http.loss('scheme', 'services are asked by HTTP only');
  for (const field of ['initialDelaySeconds', 'successThreshold', 'terminationGracePeriodSeconds'])
    if (probe.take(field) !== undefined) draft.note([...path, 'health'], `${field} is left out`);
  const tcp = probe.fields('tcpSocket');
  const seconds = (field: string, otherwise: number): string =>
    formatDuration((probe.integer(field) ?? otherwise) * 1000);
  return defined({
    command: probe.fields('exec')?.texts('command'),
    tcp: portOf(tcp),
    http: http && defined({ port: portOf(http), path: http.text('path') }),
    interval: seconds('periodSeconds', 10),
    timeout: seconds('timeoutSeconds', 1),
    retries: probe.integer('failureThreshold') ?? 3,
  });
}
