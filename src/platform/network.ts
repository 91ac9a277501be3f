import { Agent, request as open, type IncomingMessage } from 'node:http'
import { StringDecoder } from 'node:string_decoder'
import { setImmediate } from 'node:timers/promises'
import { LongLine } from './lines.js'
import type { Network, Request, Response } from './platform.js'

/** HTTP over Unix sockets, with connections that are used again; over TCP each time with a new one. */
export function realNetwork(): Network {
  const agent = new Agent({ keepAlive: true })
  return {
    request: async (request) => {
      const message = await send(request, agent)
      return answer(message, request.signal)
    },
  }
}

function send(request: Request, agent: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { signal } = request
    if (signal?.aborted) return reject(signal.reason as Error)
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body))
    const call = open({
      ...(typeof request.socket === 'string'
        ? { agent, socketPath: request.socket }
        : { agent: false, host: '127.0.0.1', port: request.socket }),
      method: request.method,
      path: request.path,
      headers: {
        accept: 'application/json',
        ...request.headers,
        ...(request.host !== undefined && { host: request.host }),
        ...(body === undefined
          ? {}
          : {
              'content-type': request.contentType ?? 'application/json',
              'content-length': body.length,
            }),
      },
    })
    const stop = (): void => void call.destroy()
    signal?.addEventListener('abort', stop, { once: true })
    call.on('close', () => signal?.removeEventListener('abort', stop))
    call.on('response', resolve)
    call.on('error', (error: NodeJS.ErrnoException) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      // The server may close a resting connection at the very moment it is used again. A read may be
      // repeated; of a write it is unknown whether it was done.
      const resting = call.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      if (resting && request.method === 'GET') send(request, agent).then(resolve, reject)
      else reject(error)
    })
    call.end(body)
  })
}

function answer(message: IncomingMessage, signal: AbortSignal | undefined): Response {
  async function* texts(): AsyncGenerator<string> {
    const decoder = new StringDecoder('utf8')
    try {
      // A connection that is cut before the end of the body makes this loop throw.
      for await (const bytes of message) yield decoder.write(bytes as Buffer)
    } catch (error) {
      throw signal?.aborted ? signal.reason : error
    }
    yield decoder.end()
  }

  return {
    status: message.statusCode ?? 0,
    ...(message.headers.location !== undefined && { location: message.headers.location }),
    text: async () => {
      const parts: string[] = []
      for await (const text of texts()) parts.push(text)
      return parts.join('')
    },
    lines: (log) => (log ? logLines(texts(), log.whole ?? '') : wholeLines(inTurns(texts()))),
  }
}

/** Lets others have their turn after each chunk: many may have arrived. */
async function* inTurns(texts: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of texts) {
    yield text
    await setImmediate()
  }
}

async function* wholeLines(texts: AsyncIterable<string>): AsyncGenerator<string> {
  // In parts, since one line (an object of a watch) may be many chunks long.
  let started: string[] = []
  for await (const text of texts) {
    const lines = text.split('\n')
    const rest = lines.pop() ?? ''
    for (const line of lines) {
      yield [...started, line].join('')
      started = []
    }
    if (rest !== '') started.push(rest)
  }
  if (started.length > 0) yield started.join('')
}

async function* logLines(texts: AsyncIterable<string>, whole: string): AsyncGenerator<string> {
  const line = new LongLine(whole)
  for await (const text of texts) {
    const parts = text.split('\n')
    const rest = parts.pop() ?? ''
    for (const part of parts) {
      yield* line.push(part)
      yield line.end()
    }
    yield* line.push(rest)
  }
  const last = line.end()
  if (last !== '') yield last
}
