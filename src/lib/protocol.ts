/**
 * The versions of the protocol between members that this build speaks: carried in every gossip packet, in the handshake of every peer stream and
 * with every snapshot. Two members understand each other when their ranges overlap; within a version fields may be appended and are ignored by
 * whoever does not know them.
 */
export const PROTOCOL_MIN = 1
export const PROTOCOL_MAX = 1
