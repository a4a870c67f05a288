import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { secretFields } from '../../src/job/secret-references.ts';
import type { Job } from '../../src/schemas/index.ts';

const test = suite('references to secrets');
const secret = { name: 's', key: 'k' };

const rows: readonly (readonly [string, Partial<Job['spec']>, readonly string[]])[] = [
  ['none', { run: 'echo secret', env: { SECRET: 'secret' }, files: [{ path: 'secret', content: 'secret' }] }, []],
  ['a variable that is called so', { env: { secret: 'x' } }, []],
  ['a variable of the job', { env: { TOKEN: { secret } } }, ['spec.env.TOKEN']],
  ['a variable called secret', { env: { secret: { secret } } }, ['spec.env.secret']],
  ['of a step', { steps: [{ name: 'a', run: 'x', env: { T: { secret } } }] }, ['spec.steps[0].env.T']],
  ['of a last step', { finally: [{ name: 'a', run: 'x', env: { T: { secret } } }] }, ['spec.finally[0].env.T']],
  ['of a service', { services: { db: { image: 'x', env: { T: { secret } } } } }, ['spec.services.db.env.T']],
  ['of a task', { tasks: [{ name: 'a', env: { T: { secret } } }] }, ['spec.tasks[0].env.T']],
  ['a file', { files: [{ path: 'id', secret }] }, ['spec.files[0]']],
  ['a service account', { pod: { serviceAccountName: 'x' } }, ['spec.pod.serviceAccountName']],
  ['its token', { pod: { automountServiceAccountToken: true } }, ['spec.pod.automountServiceAccountToken']],
  ['no token', { pod: { automountServiceAccountToken: false } }, []],
  [
    'volumes and containers of the pod',
    {
      pod: {
        volumes: [{ name: 'v', secret: { secretName: 's' } }],
        containers: [{ name: 'c', envFrom: [{ secretRef: { name: 's' } }] }],
        imagePullSecrets: [{ name: 'r' }],
      },
    },
    ['spec.pod.volumes[0].secret', 'spec.pod.containers[0].envFrom[0].secretRef', 'spec.pod.imagePullSecrets'],
  ],
];
for (const [what, spec, fields] of rows) test(what, () => assert.equal(secretFields({ run: 'x', ...spec }), fields));

test.run();
