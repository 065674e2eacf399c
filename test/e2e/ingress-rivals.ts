/**
 * Ingresses that would take a share of the requests meant for the release of the test, which has no host: those of another release without a host, as the
 * README's steps for k3d leave behind. What they answer is right for them and wrong here, now and then.
 */

interface Ingress {
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec: { readonly ingressClassName?: string; readonly rules?: readonly { readonly host?: string }[] }
}

/** What `kubectl get ingresses --all-namespaces --output json` says, as `namespace/name`; those of `namespace` are the test's own, and other classes are another's business. */
export function ingressRivals(listed: string, namespace: string): readonly string[] {
  const { items }: { readonly items: readonly Ingress[] } = JSON.parse(listed)
  return items
    .filter(({ metadata }) => metadata.namespace !== namespace)
    .filter(({ spec: { ingressClassName, rules = [] } }) => ingressClassName === undefined && rules.some(({ host = '' }) => host === ''))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
}
