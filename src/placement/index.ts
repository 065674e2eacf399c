/** Placement: who is wished for, who should serve, and whose word on it prevails. Pure. */
export { type Absence, DEFAULT_GRACE, type RejoinGrace, RingNames } from './ring-names.ts'
export { compareTerms, decodeTerm, encodeTerm, sameTerm, type Term } from './term.ts'
export { type Presence, type Sight, View } from './view.ts'
