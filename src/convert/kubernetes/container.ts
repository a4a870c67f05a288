import type { FieldPath } from '../../job/positions.ts';
import { defined, type Draft, nonEmpty } from '../draft.ts';
import { failingScript } from '../placeholder.ts';
import type { Fields } from '../reader.ts';
import { takeUser } from './security.ts';
import { expand, filledIn, hasIndex, readVariables, type Variables } from './variables.ts';

/** A container as a step. */
export interface Container {
  readonly name: string;
  readonly image: string | undefined;
  /** The rest of the step. */
  readonly step: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
  /** What goes into `pod.containers` under the step's name. */
  readonly overlay: Readonly<Record<string, unknown>>;
}

/** Fields that stay what they are, in the pod's overlay. */
const OVERLAY = ['imagePullPolicy', 'ports', 'volumeMounts', 'volumeDevices'] as const;

const NO_COUNTERPART: Readonly<Record<string, string>> = {
  lifecycle: 'steps have no lifecycle hooks; write hooks.before or finally',
  livenessProbe: 'a step that hangs is ended by its timeout alone; write timeout',
  restartPolicyRules: 'a step that fails is not started again in its pod; write retry',
};

/** Probes that delay something else than the container itself, of which there is nothing in a job. */
const POINTLESS = ['readinessProbe', 'startupProbe', 'resizePolicy'] as const;

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container */
export function convertContainer(
  container: Fields,
  draft: Draft,
  names: (wanted: string | undefined, otherwise: string) => string,
  path: FieldPath,
): Container {
  const name = names(container.text('name'), 'run');
  const variables = readVariables(container, hasIndex(draft), (variable) =>
    draft.todo([...path, 'env', variable], 'the Secret was optional; here it has to be there'),
  );
  const overlay: Record<string, unknown> = {};
  for (const key of OVERLAY) if (container.has(key)) overlay[key] = container.take(key);
  if (variables.overlay.length > 0) overlay['env'] = variables.overlay;
  if (container.has('envFrom')) overlay['envFrom'] = container.take('envFrom');
  const security = { ...(container.take('securityContext') as Record<string, unknown> | undefined) };
  const user = takeUser(security);
  if (isDropAll(security['capabilities'])) delete security['capabilities'];
  if (nonEmpty(security)) overlay['securityContext'] = security;
  otherFields(container, draft, path);
  const step = defined({
    ...commandOf(container, variables, draft, path),
    env: nonEmpty({ ...variables.env }),
    user,
    workingDirectory: container.text('workingDir'),
  });
  return { name, image: container.text('image'), step, resources: resourcesOf(container, overlay), overlay };
}

const isDropAll = (value: unknown): boolean => JSON.stringify(value) === '{"drop":["ALL"]}';

function otherFields(container: Fields, draft: Draft, path: FieldPath): void {
  for (const [key, message] of Object.entries(NO_COUNTERPART)) if (container.has(key)) container.loss(key, message);
  for (const key of POINTLESS) {
    if (container.has(key)) draft.note(path, `${key} is left out: nothing waits for it`);
    container.take(key);
  }
  takeTermination(container);
  for (const key of ['stdin', 'stdinOnce', 'tty'])
    if (container.flag(key) === true) container.loss(key, 'steps have no terminal and no input');
  const restart = container.text('restartPolicy');
  if (restart !== undefined && restart !== 'Never')
    draft.note(path, `restartPolicy was ${restart}; retry of the job says what is tried again`);
}

/** Nobody reads termination messages here; with their defaults nothing is said either. */
export function takeTermination(container: Fields): void {
  const log = container.text('terminationMessagePath') ?? '/dev/termination-log';
  if (log !== '/dev/termination-log')
    container.loss('terminationMessagePath', 'termination messages are not read; write ::error directives');
  const policy = container.text('terminationMessagePolicy') ?? 'File';
  if (policy !== 'File')
    container.note('terminationMessagePolicy', `left out: ${policy}; the end of the log is on the ledger anyway`);
}

function commandOf(container: Fields, { values }: Variables, draft: Draft, path: FieldPath): object {
  const words = (key: 'command' | 'args'): readonly string[] | undefined =>
    container.texts(key)?.map((word) => {
      const { text, unknown } = expand(word, values);
      for (const name of unknown) container.loss(key, filledIn(name));
      return text;
    });
  const [command, args] = [words('command'), words('args')];
  if (command !== undefined && command.length > 0) return { command, args: nonEmpty(args) };
  const given = args === undefined || args.length === 0 ? '' : ` ${args.map((word) => JSON.stringify(word)).join(' ')}`;
  draft.todo(
    [...path, 'run'],
    `the container ran what its image starts (docker inspect tells: Entrypoint and Cmd)${given === '' ? '' : `, with the arguments${given}`}; write that as command and args`,
  );
  return { run: failingScript(`write the command of the image ${container.text('image')}${given}`) };
}

type Resources = Container['resources'];

function resourcesOf(container: Fields, overlay: Record<string, unknown>): Resources {
  const resources = container.fields('resources');
  if (resources?.has('claims')) overlay['resources'] = { claims: resources.take('claims') };
  return defined({ requests: resources?.take('requests'), limits: resources?.take('limits') }) as Resources;
}
