/** The proxy of a request, by the rules of Go: docker and kubectl read the same variables. Pure. */
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { isWithin } from './addresses.js'
import type { Platform } from './platform.js'

/** The variables name no proxy that can be used. The message shows no value, which may have a password. */
export class UnusableProxy extends Error {}

/** Returns `undefined` for a server that is reached without a proxy. Throws an UnusableProxy. */
export function proxyFor(target: URL, env: Platform['env']): URL | undefined {
  const valueOf = (name: string) => env[name] || env[name.toLowerCase()] || ''
  const variable = target.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const value = valueOf(variable).trim()
  if (value === '' || isExempt(target, valueOf('NO_PROXY'))) return undefined
  const address = value.includes('://') ? value : `http://${value}`
  const proxy = URL.canParse(address) ? new URL(address) : undefined
  if (!proxy?.hostname) throw new UnusableProxy(`${variable} is not the address of a proxy`)
  if (/^https?:$/.test(proxy.protocol)) return proxy
  const scheme = proxy.protocol.slice(0, -1)
  throw new UnusableProxy(
    `${variable} names a proxy of the type ${scheme}: only http and https are supported`,
  )
}

/** Returns the host of a URL, that of IPv6 without its brackets. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

function isExempt(target: URL, list: string): boolean {
  const host = bareHost(target.hostname).replace(/\.$/, '')
  const port = target.port || (target.protocol === 'https:' ? '443' : '80')
  if (host === 'localhost' || isWithin(host, ['127.0.0.0/8', '::1'])) return true
  const entries = list.toLowerCase().split(/[\s,]+/)
  return entries.some((entry) => entry === '*' || exempts(entry, host, port))
}

/** `entry` is `10.0.0.0/8`, `10.0.0.5:8080`, `[fd00::5]:443`, `example.com`, or `.example.com` for its subdomains alone. */
function exempts(entry: string, host: string, port: string): boolean {
  if (entry.includes('/') || isIP(entry) !== 0) return isWithin(host, [entry])
  const [, name = '', wanted = port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(entry) ?? []
  if (wanted !== '' && wanted !== port) return false
  const address = bareHost(name)
  if (isIP(address) !== 0) return isWithin(host, [address])
  const [, dot, text = ''] = /^((?:\*?\.)?)(.*)$/.exec(name) ?? []
  const domain = domainToASCII(text) || text
  return domain !== '' && (host.endsWith(`.${domain}`) || (dot === '' && host === domain))
}
