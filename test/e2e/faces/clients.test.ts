/**
 * The clients of the Kubernetes test speak to a real member: what they would get wrong by themselves must not be taken for the cache's fault.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Process, Processes } from '../../support/processes.ts'
import { type CountingFace, grpcFace, respFace, textFace } from './clients.ts'

const HOST = '127.0.0.1'
const test = suite('clients of the faces')
const processes = new Processes(['alone'])
const faces: Record<string, CountingFace> = {}

test.before(async () => {
  await processes.startAll()
  const { respPort, textPort, grpcPort } = processes.members.get('alone') as Process
  faces['resp'] = respFace({ host: HOST, port: respPort })
  faces['text'] = textFace({ host: HOST, port: textPort })
  faces['grpc'] = grpcFace({ host: HOST, port: grpcPort })
})

test.after(async () => {
  for (const face of Object.values(faces)) face.close()
  await processes.close()
})

test('every face reads what every face wrote, short and long, on one connection', async () => {
  for (const [writer, face] of Object.entries(faces)) {
    for (const length of [1, 127, 128, 300, 20_000]) {
      const [key, value] = [`by-${writer}-${length}`, 'v'.repeat(length)]
      await face.write(key, value)
      for (const [reader, other] of Object.entries(faces)) assert.is(await other.read(key), value, `${reader} reads what ${writer} wrote`)
    }
  }
  for (const [name, face] of Object.entries(faces)) assert.is(face.connections(), 1, name)
})

test('a key that is not there is no failure but null', async () => {
  for (const face of Object.values(faces)) assert.is(await face.read('nobody-wrote-this'), null)
})

test.run()
