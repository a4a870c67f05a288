/**
 * A text that the kubelet leaves as it is. In commands, arguments and the values of variables it takes `$(NAME)` for a
 * reference and `$$` for one dollar sign
 * (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).
 */
export function literal(text: string): string {
  return text.replaceAll(/\$(?=[$(])/g, '$$$$');
}
