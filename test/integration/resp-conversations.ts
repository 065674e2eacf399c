/**
 * What has to be tried by hand: conversations in which a detail decides, said to redis-server and to us. One command a line, its words apart by spaces;
 * `''` is an empty word, and `\xff` a byte.
 */
import type { Argument } from '../support/raw-resp.ts'

function lines(text: string): Argument[][] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(' ').map(word))
}

function word(text: string): string {
  if (text === "''") return ''
  return text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

export const CONVERSATIONS: readonly (readonly [name: string, lines: readonly (readonly Argument[])[]])[] = [
  [
    'sums of integers end where 64 bits do',
    lines(`
      SET k 9223372036854775806
      INCR k
      INCR k
      GET k
      DECRBY k -1
      SET k -9223372036854775808
      DECR k
      INCRBY k 9223372036854775807
      GET k
      SET k 9223372036854775808
      INCR k
      SET k ''
      INCR k
      SET k 01
      INCR k
      SET k -0
      INCR k
      INCRBY n 9223372036854775808
      INCRBY n -9223372036854775809
      DECRBY n -9223372036854775808
      DECRBY n 9223372036854775807
      EXISTS n
      GET n
    `),
  ],
  [
    'sums of fractions print as Redis prints them',
    lines(`
      INCRBYFLOAT f 0.1
      INCRBYFLOAT f 0.2
      INCRBYFLOAT f -0.3
      SET f 5.0e3
      INCRBYFLOAT f 2.0e2
      SET f 3.0
      INCRBYFLOAT f 1.000000000000000005
      INCRBYFLOAT f 1e17
      INCRBYFLOAT f -1e17
      SET f abc
      INCRBYFLOAT f 1
      SET f 1
      INCRBYFLOAT f abc
      INCRBYFLOAT f inf
      INCRBYFLOAT f nan
      INCRBYFLOAT f 1e5000
      GET f
      INCR f
      INCRBYFLOAT f 0.5
      INCR f
      STRLEN f
    `),
  ],
  [
    'a sum keeps the expiry, a new value does not',
    lines(`
      SET k 1 PXAT 4102444800000
      INCR k
      PEXPIRETIME k
      INCRBYFLOAT k 0.5
      PEXPIRETIME k
      APPEND k x
      PEXPIRETIME k
      SETRANGE k 0 y
      PEXPIRETIME k
      GETSET k z
      PEXPIRETIME k
      PEXPIREAT k 4102444800000
      SET k v KEEPTTL
      PEXPIRETIME k
      EXPIRETIME k
      COPY k j
      PEXPIRETIME j
      RENAME j i
      PEXPIRETIME i
      MSET k v
      PEXPIRETIME k
      EXPIRETIME none
    `),
  ],
  [
    'RENAME and COPY of a key to itself, of no key, and onto another',
    lines(`
      RENAME none none
      RENAME none k
      RENAMENX none k
      COPY none k
      COPY none none
      SET k v
      RENAME k k
      RENAMENX k k
      COPY k k
      COPY k k REPLACE
      SET j w
      RENAMENX k j
      COPY k j
      COPY k j DB 0
      COPY k j replace db 0
      GET j
      COPY k j DB 1
      COPY k j DB x
      COPY k j DB
      COPY k j DB 99999999999
      RENAME k j
      EXISTS k
      GET j
    `),
  ],
  [
    'a transaction is given up when what was watched has changed, and only then',
    lines(`
      WATCH k
      SET k 1
      MULTI
      GET k
      EXEC
      WATCH k
      MULTI
      INCR k
      EXEC
      WATCH k
      DEL none
      EXPIRE none 100
      SETNX k 5
      PERSIST k
      RENAME k k
      MULTI
      INCR k
      EXEC
      WATCH none
      SET none 1
      DEL none
      MULTI
      PING
      EXEC
      WATCH k
      UNWATCH
      SET k 7
      MULTI
      INCR k
      APPEND k x
      INCR k
      GET k
      EXEC
      WATCH k
      MULTI
      WATCH k
      MULTI
      NOSUCHCOMMAND
      EXEC
      EXEC
      DISCARD
      MULTI
      SET k
      DISCARD
      WATCH k
      FLUSHALL
      MULTI
      PING
      EXEC
      WATCH k
      FLUSHALL
      MULTI
      PING
      EXEC
    `),
  ],
  [
    'commands on all keys keep their place in a transaction',
    lines(`
      MULTI
      SET a 1
      DBSIZE
      SET b 2
      DBSIZE
      KEYS a
      SCAN 0 COUNT 100 MATCH b
      SCAN x
      FLUSHALL
      DBSIZE
      MGET a b
      MSET a 1 b
      EXEC
      MULTI
      MSET a 1 b 2
      MSETNX b 1 c 2
      MSETNX c 1 d 2
      EXISTS a b c d e
      LCS a b LEN
      DEL a b none
      EXEC
      DBSIZE
    `),
  ],
  [
    'patterns match as they do in Redis',
    lines(`
      MSET a 1 b 1 ab 1 abc 1 [a] 1 a* 1 \\x5c 1 -x 1 \\xff\\x00 1
      KEYS a
      KEYS [a
      KEYS [a]
      KEYS \\x5c[a]
      KEYS a\\x5c*
      KEYS a\\x5c
      KEYS \\x5c\\x5c
      KEYS \\x5c
      KEYS [^a-z]*x
      KEYS [x-]*x
      KEYS \\xff?
      KEYS [\\xfe-\\xff]*
      KEYS ''
      KEYS ab?
      KEYS ?b
      KEYS a*c
      KEYS [^a]
      KEYS []
      KEYS [a-
    `),
  ],
  [
    'a moment in the past takes a key away, and a number that is none does not',
    lines(`
      SET k v EXAT 1
      GET k
      SET k v NX PXAT 1
      EXISTS k
      SET k v
      SET k w XX GET EXAT 1
      GETDEL k
      SET k v
      GETEX k PXAT 1
      GET k
      SET k v
      EXPIRE k -1
      GET k
      SET k v
      PEXPIREAT k 1 GT
      PEXPIREAT k 1 XX
      PEXPIREAT k 1 LT
      TTL k
      SET k v
      EXPIRE k -9223372036854775808
      EXPIRE k -9223372036854775
      GETEX none EX 0
      SETEX k 0 v
      SETEX k -1 v
      PSETEX k 0 v
      SET k v EX 0
      SET k v PXAT -1
      SET k v EX 9223372036854775807
      SET k v EX 1.5
      GETEX k EX 0
      GETEX k PERSIST EX 1
      PEXPIRE k 9223372036854775807
      EXPIREAT k 9223372036854775807
      GET k
      EXISTS k
    `),
  ],
  [
    'wrong numbers of arguments are told by name',
    lines(`
      GET
      GET a b
      SET k
      MSET a
      MSET a 1 b
      MSETNX a 1 b
      SETEX k 1
      LCS a
      OBJECT
      OBJECT ENCODING
      MEMORY USAGE
      CLIENT SETNAME
      DBSIZE 1
      RANDOMKEY 1
      KEYS
      COPY a
      SUBSTR a 1
      GetEx
    `),
  ],
  [
    'words in any case, and such that are none',
    lines(`
      set K v ex 100 nX gEt
      sEt K w xX KeEpTtL
      get K
      get k
      copy K k RePlAcE
      scan 0 count 10 type STRING match K
      scan 0 type hash
      scan 0 type nosuchtype
      scan 0 count
      scan 0 count 0
      scan 0 count x
      scan 0 nonsense 1
      scan ''
      scan 99999999999999999999999
      scan 1x
      flushall now
      flushall sync async
      flushdb async
      expire k 100 soon
      getex K keepttl
      getex K nx
    `),
  ],
  [
    'what is asked of the server with a word too many or none that it knows',
    lines(`
      client list id 0
      client list id -1
      client list id x
      client list id 0 x
      pubsub channels x y
      Pubsub Channels x y z
      pubsub channels x
      lolwut version x
      lolwut version ''
    `),
  ],
]
