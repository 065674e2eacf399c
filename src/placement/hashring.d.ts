/** The part of the untyped package `hashring` that ring.ts uses. */
declare module 'hashring' {
  interface RingOptions {
    readonly 'max cache size'?: number
  }
  export default class HashRing {
    constructor(servers: Record<string, { readonly vnodes: number }>, algorithm?: string, options?: RingOptions)
    /** `size` distinct servers clockwise from the key's point; empty for an empty ring. */
    range(key: string, size: number): string[]
  }
}
