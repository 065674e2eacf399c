import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UNTOUCHED } from '../../../src/cache/operation.ts'
import { COMMANDS } from '../../../src/gateway/resp/index.ts'
import { SLOT_COUNT, slotOf } from '../../../src/lib/slot.ts'
import { localCache } from '../../support/local-cache.ts'
import { gatewaysOf, withMethod } from './harness.ts'

const test = suite('gateway/resp/server-commands')

const start = gatewaysOf(test)

test('INFO tells the sections in order, one or several when asked', async () => {
  const server = await start()
  const client = await server.client()
  client.send('SET a 1\r\nINFO\r\nPING\r\n')
  const text = await client.readTo('+PONG\r\n')
  assert.equal(
    [...text.matchAll(/# (\w+)/g)].map((match) => match[1]),
    ['Server', 'Clients', 'Memory', 'Stats', 'Cluster'],
  )
  assert.match(text, /redis_version:7\.0\.15\r\n/)
  assert.match(text, /jackdaw_version:1\.2\.3\r\n/)
  assert.match(text, new RegExp(`tcp_port:${server.port}\r\n`))
  assert.match(text, /used_memory:42\r\n/)
  assert.match(text, /connected_clients:1\r\n/)
  client.send('INFO commandstats memory\r\nPING\r\n')
  const part = await client.readTo('+PONG\r\n')
  assert.match(part, /# Memory\r\nused_memory:42\r\n\r\n# Commandstats\r\n[^#]*cmdstat_set:calls=1\r\n/)
  assert.not.match(part, /# Server/)
  await client.ask('CONFIG RESETSTAT', '+OK\r\n')
  client.send('INFO everything\r\nPING\r\n')
  assert.not.match(await client.readTo('+PONG\r\n'), /cmdstat_set/)
  assert.is(server.gateway.stats().commandsTotal['set'], 1)
})

test('CONFIG tells what matches and changes what can be changed', async () => {
  const client = await (await start()).client()
  await client.ask('CONFIG GET MAXMEM* sav? nothing', '*4\r\n$9\r\nmaxmemory\r\n$4\r\n1024\r\n$4\r\nsave\r\n$0\r\n\r\n')
  await client.ask(
    'CONFIG SET maxmemory 5\nCONFIG GET maxmemory\nCONFIG SET save x\nCONFIG SET nope 1\nCONFIG SET timeout x',
    [
      '+OK\r\n*2\r\n$9\r\nmaxmemory\r\n$1\r\n5\r\n',
      "-ERR CONFIG SET failed (possibly related to argument 'save') - can't set immutable config\r\n",
      "-ERR Unknown option or number of arguments for CONFIG SET - 'nope'\r\n",
      "-ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be a whole number\r\n",
    ].join(''),
  )
})

test('CONFIG SET of several parameters changes all or none, and takes none twice', async () => {
  const client = await (await start()).client()
  await client.ask(
    'CONFIG SET maxmemory 5 timeout x\nCONFIG SET maxclients 7 save x\nCONFIG SET maxmemory 5 MAXMEMORY 5\nCONFIG GET maxmemory maxclients',
    [
      "-ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be a whole number\r\n",
      "-ERR CONFIG SET failed (possibly related to argument 'save') - can't set immutable config\r\n",
      "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - duplicate parameter\r\n",
      '*4\r\n$9\r\nmaxmemory\r\n$4\r\n1024\r\n$10\r\nmaxclients\r\n$3\r\n100\r\n',
    ].join(''),
  )
  await client.ask(
    'CONFIG SET maxmemory 5 timeout 60\nCONFIG GET maxmemory timeout',
    '+OK\r\n*4\r\n$9\r\nmaxmemory\r\n$1\r\n5\r\n$7\r\ntimeout\r\n$2\r\n60\r\n',
  )
})

test('COMMAND tells the table', async () => {
  const client = await (await start()).client()
  await client.ask('COMMAND COUNT', `:${COMMANDS.length}\r\n`)
  await client.ask(
    'COMMAND GETKEYS MSET a 1 b 2\nCOMMAND GETKEYS PING\nCOMMAND GETKEYS nope\nCOMMAND GETKEYS GET\nCOMMAND GETKEYS COPY x y DB 0',
    [
      '*2\r\n$1\r\na\r\n$1\r\nb\r\n-ERR The command has no key arguments\r\n-ERR Invalid command specified\r\n',
      '-ERR Invalid number of arguments specified for command\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n',
    ].join(''),
  )
  await client.ask('COMMAND INFO nope get', '*2\r\n*-1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n')
  await client.readTo('$5\r\nlimit\r\n:0\r\n*0\r\n')
  await client.ask('COMMAND LIST FILTERBY PATTERN MGE*', '*1\r\n$4\r\nmget\r\n')
  client.send('COMMAND DOCS client|id\r\n')
  await client.expect('*2\r\n$9\r\nclient|id\r\n*8\r\n$7\r\nsummary\r\n')
})

test('every command is in the table once, with a sentence about it', () => {
  const names = COMMANDS.map(({ name }) => name)
  assert.is(new Set(names).size, names.length)
  const issue =
    'GET SET SETNX SETEX PSETEX GETSET GETDEL GETEX MGET MSET MSETNX APPEND STRLEN SETRANGE GETRANGE SUBSTR INCR DECR INCRBY DECRBY INCRBYFLOAT LCS ' +
    'DEL UNLINK EXISTS TYPE TOUCH RENAME RENAMENX COPY RANDOMKEY KEYS SCAN DBSIZE EXPIRE PEXPIRE EXPIREAT PEXPIREAT TTL PTTL EXPIRETIME PEXPIRETIME ' +
    'PERSIST FLUSHALL FLUSHDB SELECT SWAPDB MULTI EXEC DISCARD WATCH UNWATCH SUBSCRIBE PSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE PUBLISH PUBSUB PING ECHO ' +
    'QUIT RESET AUTH HELLO CLIENT COMMAND CONFIG INFO MEMORY OBJECT TIME LOLWUT WAIT DEBUG DELETE FLUSH SEARCH'
  for (const name of issue.split(' ')) assert.ok(names.includes(name), name)
  for (const row of COMMANDS) {
    const children = row.action.kind === 'container' ? row.action.subcommands : []
    for (const { name, summary, since } of [row, ...children]) {
      assert.match(summary, /^[A-Z].*\.$/, name)
      assert.match(since, /^\d+\.\d+/, name)
    }
  }
})

test('HELP of each container lists its subcommands', async () => {
  const client = await (await start()).client()
  for (const name of ['CLIENT', 'CONFIG', 'COMMAND', 'PUBSUB']) {
    client.send(`${name} HELP\r\n`)
    const text = await client.readTo('+    Prints this help.\r\n')
    assert.ok(text.includes(`+${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n`), text)
  }
})

test('DEBUG works only where it is allowed', async () => {
  const guarded = await start()
  const client = await guarded.client()
  client.send('DEBUG SLEEP 0\r\n')
  assert.ok((await client.readTo('\r\n')).startsWith('-ERR DEBUG command not allowed.'))
  await guarded.close()
  const other = await (await start({ debugCommands: true })).client()
  await other.ask('DEBUG SLEEP 0\nDEBUG ERROR "OOPS x"', '+OK\r\n-OOPS x\r\n')
})

test('TIME, WAIT, LOLWUT and ECHO answer', async () => {
  const client = await (await start()).client()
  client.send('TIME\r\n')
  const [, seconds] = /^\*2\r\n\$10\r\n(\d+)\r\n/.exec(await client.readTo('000\r\n')) ?? []
  assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 5)
  await client.ask('WAIT 1 10\nWAIT 1 -1\nECHO x', ':0\r\n-ERR timeout is negative\r\n$1\r\nx\r\n')
  client.send('LOLWUT\r\n')
  assert.match(await client.readTo('1.2.3\n\r\n'), /Jackdaw ver\. 1\.2\.3/)
})

test('WAIT asks for all slots at first, then for those the client has written to since', async () => {
  const asked: number[][] = []
  const cache = withMethod(localCache().cache, 'confirm', (slots, _since, wanted, timeoutMs, done) => {
    asked.push([...slots])
    assert.is(timeoutMs, 50)
    done(wanted)
  })
  const client = await (await start({ cache })).client()
  await client.ask('SET a 1\nWAIT 2 50\nSET b 1\nGET c\nMSET d 1 b 2\nWAIT 1 50', '+OK\r\n:2\r\n+OK\r\n$-1\r\n+OK\r\n:1\r\n')
  assert.is(asked[0]?.length, SLOT_COUNT)
  assert.equal(asked[1], [slotOf(Buffer.from('b')), slotOf(Buffer.from('d'))])
  await client.ask('MULTI\nSET e 1\nEXEC\nWAIT 0 50', '+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n:0\r\n')
  assert.is(asked[2]?.length, SLOT_COUNT)
})

test('WAIT asks since the first write that is not confirmed, the same again until the client goes on, and anew from then on', async () => {
  const asked: number[] = []
  let replicas = 1
  const real = localCache().cache
  let holderVersion = 3
  const confirming = withMethod(real, 'confirm', (_slots, since, _wanted, _timeoutMs, done) => {
    asked.push(since)
    done(replicas)
  })
  const cache = new Proxy(confirming, {
    get: (target, wanted) => (wanted === 'holderVersion' ? holderVersion : Reflect.get(target, wanted, target)),
  })
  const server = await start({ cache })
  const client = await server.client()
  const waits = async (commands: string, reply: string): Promise<number[]> => {
    asked.length = 0
    await client.ask(commands, reply)
    return [...asked]
  }
  assert.equal(await waits('WAIT 1 50', ':1\r\n'), [3], 'nothing was written')
  await client.ask('SET a 1', '+OK\r\n')
  holderVersion = 4
  replicas = 0
  assert.equal(await waits('SET b 1\nWAIT 1 50\nGET a\nWAIT 1 50', '+OK\r\n:0\r\n$1\r\n1\r\n:0\r\n'), [3, 3])
  replicas = 1
  assert.equal(await waits('INCR c\nWAIT 1 50\nWAIT 1 50', ':1\r\n:1\r\n:1\r\n'), [4, 4])
  holderVersion = 5
  assert.equal(await waits('WAIT 1 50', ':1\r\n'), [5], 'all is confirmed')
  assert.equal(await waits('MULTI\nSET e 1\nEXEC', '+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n'), [])
  holderVersion = 6
  assert.equal(await waits('MSET d 1 b 2\nWAIT 1 50', '+OK\r\n:1\r\n'), [5], 'a transaction and what came after it')
  // Plain runs, which nothing follows key by key.
  const other = await server.client()
  await other.ask('SET a 1\nSET b 1', '+OK\r\n+OK\r\n')
  holderVersion = 7
  asked.length = 0
  await other.ask('WAIT 1 50', ':1\r\n')
  assert.equal(asked, [6])
})

test('CLIENT NO-TOUCH marks reads, whatever they come in', async () => {
  const flags: number[] = []
  const real = localCache().cache
  const cache = withMethod(real, 'execute', (operation, done) => {
    flags.push(operation.flags & UNTOUCHED)
    real.execute(operation, done)
  })
  const client = await (await start({ cache })).client()
  await client.ask(
    'GET a\nCLIENT NO-TOUCH ON\nGET a\nMGET a\nCLIENT NO-TOUCH OFF\nGET a',
    '$-1\r\n+OK\r\n$-1\r\n*1\r\n$-1\r\n+OK\r\n$-1\r\n',
  )
  assert.equal(flags, [0, UNTOUCHED, UNTOUCHED, 0])
})

test('RESP3 has types of its own for what RESP2 has none', async () => {
  const client = await (await start({ debugCommands: true })).client()
  client.send('HELLO 3\r\n')
  await client.readTo('modules\r\n*0\r\n')
  const samples: Record<string, string> = {
    double: ',2.5\r\n',
    null: '_\r\n',
    set: '~3\r\n:0\r\n:1\r\n:2\r\n',
    map: '%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n',
    true: '#t\r\n',
    verbatim: '=29\r\ntxt:This is a verbatim\nstring\r\n',
    bignum: '(1234567999999999999999999999999999999\r\n',
  }
  for (const [type, reply] of Object.entries(samples)) await client.ask(`DEBUG PROTOCOL ${type}`, reply)
})

test.run()
