import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { callKind } from '../../../src/runner/kubernetes/call-kind.ts';

const test = suite('what a call is');
const of = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, query = {}): string => {
  const { verb, resource } = callKind({ method, path, query });
  return `${verb} ${resource}`;
};

test('verb and resource as the audit log has them', () => {
  assert.is(of('GET', '/api/v1/namespaces/jobs/pods'), 'list pods');
  assert.is(of('GET', '/api/v1/namespaces/jobs/pods', { watch: true }), 'watch pods');
  assert.is(of('GET', '/api/v1/namespaces/jobs/pods/a-1'), 'get pods');
  assert.is(of('GET', '/api/v1/namespaces/jobs/pods/a-1/log'), 'get pods/log');
  assert.is(of('POST', '/api/v1/namespaces/jobs/configmaps'), 'create configmaps');
  assert.is(of('DELETE', '/api/v1/namespaces/jobs/configmaps'), 'deletecollection configmaps');
  assert.is(of('DELETE', '/api/v1/namespaces/jobs/pods/pods'), 'delete pods');
  assert.is(of('PATCH', '/apis/coordination.k8s.io/v1/namespaces/r/leases/x'), 'patch leases');
  assert.is(of('GET', '/api/v1/nodes/n1'), 'get nodes');
  assert.is(of('GET', '/api/v1/namespaces/n1'), 'get namespaces');
  assert.is(of('GET', '/version'), 'list other');
});

test.run();
