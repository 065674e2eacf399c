/**
 * Something happens while fortio loads the ingress, for as long as that takes. Every call has to succeed.
 */
import { loadUntil, requirePerfect, type Target } from './fortio.ts'
import type { Context } from './scenario.ts'

export async function underLoad({ settings, signal, loaded, note }: Context, target: Target, event: () => Promise<void>): Promise<void> {
  let over = false
  const loading = loadUntil(settings, target, () => over, signal)
  // It is awaited below; until then, its failure is not an unhandled one.
  loading.catch(() => undefined)
  try {
    await event()
  } finally {
    over = true
    await loading.catch(() => undefined)
  }
  const result = await loading
  loaded(result)
  note(`calls of fortio, ${target.name}`, `${result.calls}, of which ${result.failures} failed`)
  requirePerfect(result)
}
