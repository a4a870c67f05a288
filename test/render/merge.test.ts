import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mergePodSpec } from '../../src/render/merge.ts';

const test = suite('strategic merge');

const TABLE: readonly (readonly [what: string, base: object, overlay: object, merged: object])[] = [
  ['an empty overlay changes nothing', { a: { b: [1] } }, {}, { a: { b: [1] } }],
  [
    'mappings are merged field by field',
    { nodeSelector: { a: '1', b: '1' } },
    { nodeSelector: { b: '2', c: '2' } },
    { nodeSelector: { a: '1', b: '2', c: '2' } },
  ],
  ['scalars are replaced', { dnsPolicy: 'Default' }, { dnsPolicy: 'None' }, { dnsPolicy: 'None' }],
  [
    'null removes a field',
    { securityContext: { fsGroup: 1, runAsUser: 2 } },
    { securityContext: { fsGroup: null } },
    { securityContext: { runAsUser: 2 } },
  ],
  ['null of what is not there is nothing', {}, { affinity: { podAffinity: null } }, { affinity: {} }],
  [
    'a field that is new is taken over',
    {},
    { affinity: { nodeAffinity: { x: [1] } } },
    { affinity: { nodeAffinity: { x: [1] } } },
  ],
  [
    'tolerations are appended',
    { tolerations: [{ key: 'a' }] },
    { tolerations: [{ key: 'a' }, { key: 'b' }] },
    { tolerations: [{ key: 'a' }, { key: 'a' }, { key: 'b' }] },
  ],
  [
    'containers go by name and keep their order',
    {
      containers: [
        { name: 'a', image: 'x' },
        { name: 'b', image: 'y' },
      ],
    },
    { containers: [{ name: 'b', imagePullPolicy: 'Always' }, { name: 'c' }] },
    { containers: [{ name: 'a', image: 'x' }, { name: 'b', image: 'y', imagePullPolicy: 'Always' }, { name: 'c' }] },
  ],
  [
    'variables go by name, and one replaces the other as a whole',
    {
      containers: [
        {
          name: 'a',
          env: [
            { name: 'X', value: '1' },
            { name: 'Y', value: '1' },
          ],
        },
      ],
    },
    {
      containers: [
        {
          name: 'a',
          env: [
            { name: 'X', valueFrom: { fieldRef: {} } },
            { name: 'Z', value: '2' },
          ],
        },
      ],
    },
    {
      containers: [
        {
          name: 'a',
          env: [
            { name: 'X', valueFrom: { fieldRef: {} } },
            { name: 'Y', value: '1' },
            { name: 'Z', value: '2' },
          ],
        },
      ],
    },
  ],
  [
    'mounts go by their path, ports by their number',
    {
      containers: [
        { name: 'a', volumeMounts: [{ mountPath: '/a', name: 'x', readOnly: true }], ports: [{ containerPort: 1 }] },
      ],
    },
    {
      containers: [
        {
          name: 'a',
          volumeMounts: [
            { mountPath: '/a', name: 'y' },
            { mountPath: '/b', name: 'y' },
          ],
          ports: [{ containerPort: 1, name: 'p' }],
        },
      ],
    },
    {
      containers: [
        {
          name: 'a',
          volumeMounts: [
            { mountPath: '/a', name: 'y', readOnly: true },
            { mountPath: '/b', name: 'y' },
          ],
          ports: [{ containerPort: 1, name: 'p' }],
        },
      ],
    },
  ],
  [
    'commands are replaced',
    { containers: [{ name: 'a', command: ['x', 'y'] }] },
    { containers: [{ name: 'a', command: ['z'] }] },
    { containers: [{ name: 'a', command: ['z'] }] },
  ],
  [
    'a volume of the same kind is merged',
    { volumes: [{ name: 'a', emptyDir: {} }] },
    { volumes: [{ name: 'a', emptyDir: { medium: 'Memory' } }] },
    { volumes: [{ name: 'a', emptyDir: { medium: 'Memory' } }] },
  ],
  [
    'a volume of another kind takes its place',
    { volumes: [{ name: 'a', emptyDir: {} }] },
    { volumes: [{ name: 'a', persistentVolumeClaim: { claimName: 'c' } }] },
    { volumes: [{ name: 'a', persistentVolumeClaim: { claimName: 'c' } }] },
  ],
  [
    'pull secrets, host aliases and spread constraints go by their keys',
    {
      imagePullSecrets: [{ name: 'a' }],
      hostAliases: [{ ip: '1', hostnames: ['a'] }],
      topologySpreadConstraints: [{ topologyKey: 'z', maxSkew: 1 }],
    },
    {
      imagePullSecrets: [{ name: 'a' }, { name: 'b' }],
      hostAliases: [{ ip: '1', hostnames: ['b'] }],
      topologySpreadConstraints: [{ topologyKey: 'z', maxSkew: 2 }],
    },
    {
      imagePullSecrets: [{ name: 'a' }, { name: 'b' }],
      hostAliases: [{ ip: '1', hostnames: ['b'] }],
      topologySpreadConstraints: [{ topologyKey: 'z', maxSkew: 2 }],
    },
  ],
  [
    'lists without a strategy are replaced',
    { dnsConfig: { searches: ['a'] } },
    { dnsConfig: { searches: ['b'] } },
    { dnsConfig: { searches: ['b'] } },
  ],
  [
    'env of something else than a container is no list of variables',
    { x: { env: [{ name: 'a' }] } },
    { x: { env: [{ name: 'b' }] } },
    { x: { env: [{ name: 'b' }] } },
  ],
  [
    'items without the key are new ones',
    { volumes: [{ name: 'a' }] },
    { volumes: [{ emptyDir: {} }] },
    { volumes: [{ name: 'a' }, { emptyDir: {} }] },
  ],
  [
    'nonsense is handed on for the API server to judge',
    { containers: [{ name: 'a' }] },
    { containers: 'x' },
    { containers: 'x' },
  ],
];

for (const [what, base, overlay, merged] of TABLE)
  test(what, () => {
    const before = structuredClone([base, overlay]);
    assert.equal(mergePodSpec(base, overlay), merged);
    assert.equal([base, overlay], before, 'what went in is unchanged');
  });

test.run();
