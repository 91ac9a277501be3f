/** A chat's incoming webhook. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Its address is a credential. */
const secret = '/services/T000/B000/very-secret'

export class Chat {
  /** What the channel shows. */
  readonly messages: string[] = []
  /** What the next ones are answered with; 200 after that. */
  readonly answers: number[] = []
  readonly url: string
  /** The part of the address that may never be seen. */
  readonly secret = 'very-secret'

  private constructor(private readonly server: Server) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${secret}`
    server.on('request', (request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        const isJson = request.headers['content-type'] === 'application/json'
        const isFound = request.url === secret && request.method === 'POST'
        const status = isFound ? (isJson ? this.answers.shift() : 415) : 404
        response.statusCode = status ?? 200
        if (response.statusCode === 200) {
          const { text } = JSON.parse(Buffer.concat(parts).toString()) as { text: string }
          this.messages.push(text)
        }
        // As a server does that is not careful.
        response.end(response.statusCode === 200 ? 'ok' : `no_service: ${this.url}`)
      })
    })
  }

  static async start(): Promise<Chat> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Chat(server)
  }

  stop(): void {
    this.server.closeAllConnections()
    this.server.close()
  }
}
