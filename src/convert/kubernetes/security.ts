/** The user of a security context; what every pod of runledger has anyway is taken out of it. */
export function takeUser(security: Record<string, unknown>): number | undefined {
  const user = security['runAsUser'];
  delete security['runAsUser'];
  if (security['runAsNonRoot'] === true || user === 0) delete security['runAsNonRoot'];
  if (security['allowPrivilegeEscalation'] === false) delete security['allowPrivilegeEscalation'];
  if (security['privileged'] === false) delete security['privileged'];
  return typeof user === 'number' ? user : undefined;
}
