/** The part of the untyped package `hashring` that ring.ts uses, and the benchmark beside it. */
declare module 'hashring' {
  interface RingOptions {
    readonly 'max cache size'?: number
  }
  export default class HashRing {
    constructor(servers: Record<string, { readonly vnodes: number }> | readonly string[], algorithm?: string, options?: RingOptions)
    /** `size` distinct servers clockwise from the key's point; empty for an empty ring. */
    range(key: string, size: number): string[]
    /** The first of these. */
    get(key: string): string
  }
}
