import { describe, expect, test } from '@jest/globals'
import { proxyFor } from '../../src/platform/proxy.js'

const proxy = 'http://proxy.lan:3128/'

// As golang.org/x/net/http/httpproxy has it; brackets without a port and blanks are allowed besides.
describe('NO_PROXY', () => {
  test.each([
    ['', 'https://registry.lan', true],
    ['', 'https://localhost:5000', false],
    ['', 'https://127.8.0.1:5000', false],
    ['', 'https://[::1]:5000', false],
    ['*', 'https://registry.lan', false],
    ['other.lan, *', 'https://registry.lan', false],
    ['10.0.0.0/8', 'https://10.1.2.3:5000', false],
    ['10.0.0.0/8', 'https://11.1.2.3', true],
    ['10.0.0.0/8', 'https://10.example', true],
    ['10.0.0.0/', 'https://10.1.2.3', true],
    ['10.0.0.0/33', 'https://10.1.2.3', true],
    ['fd00::/8', 'https://[fd00::5]:5000', false],
    ['10.1.2.3', 'https://10.1.2.3:5000', false],
    ['10.1.2.3:5000', 'https://10.1.2.3:5000', false],
    ['10.1.2.3:443', 'https://10.1.2.3', false],
    ['10.1.2.3:443', 'https://10.1.2.3:5000', true],
    ['fd00::5', 'https://[fd00::5]', false],
    ['fd00:0:0::5', 'https://[fd00::5]', false],
    ['[fd00::5]', 'https://[fd00::5]', false],
    ['[fd00::5]:443', 'https://[fd00::5]', false],
    ['[fd00::5]:80', 'https://[fd00::5]', true],
    ['registry.lan', 'https://registry.lan', false],
    ['Registry.LAN', 'https://registry.lan.', false],
    ['registry.lan', 'https://eu.registry.lan', false],
    ['registry.lan', 'https://notregistry.lan', true],
    ['registry.lan:80', 'http://registry.lan', false],
    ['registry.lan:80', 'https://registry.lan', true],
    ['registry.lan:443', 'https://eu.registry.lan', false],
    ['.registry.lan', 'https://eu.registry.lan', false],
    ['.registry.lan', 'https://registry.lan', true],
    ['*.registry.lan', 'https://eu.registry.lan', false],
    ['*.registry.lan', 'https://registry.lan', true],
    ['bücher.lan', 'https://bücher.lan', false],
    ['one.lan two.lan', 'https://two.lan', false],
    [',:443, .,[],', 'https://registry.lan', true],
  ])('%j leads %s through the proxy: %s', (list, url, isProxied) => {
    const env = { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: list }
    expect(proxyFor(new URL(url), env)?.href).toBe(isProxied ? proxy : undefined)
  })
})

describe('the proxy', () => {
  const target = new URL('https://registry.lan')
  test.each<[string, Readonly<Record<string, string>>, string | undefined]>([
    ['none', { HTTP_PROXY: proxy, ALL_PROXY: proxy, HTTPS_PROXY: ' ' }, undefined],
    ['one without a scheme', { HTTPS_PROXY: 'proxy.lan:3128' }, proxy],
    ['one with a login', { HTTPS_PROXY: 'a:b@proxy.lan:3128' }, 'http://a:b@proxy.lan:3128/'],
    ['one with TLS', { https_proxy: 'https://proxy.lan' }, 'https://proxy.lan/'],
    ['the one in capitals', { https_proxy: 'http://other.lan', HTTPS_PROXY: proxy }, proxy],
    ['not the empty one', { https_proxy: proxy, HTTPS_PROXY: '' }, proxy],
    ['lower-case exceptions', { HTTPS_PROXY: proxy, no_proxy: 'registry.lan' }, undefined],
  ])('is %s', (_, env, href) => {
    expect(proxyFor(target, env)?.href).toBe(href)
  })

  test.each([
    [
      'socks5://ada:secret@proxy.lan',
      'HTTPS_PROXY names a proxy of the type socks5: only http and https are supported',
    ],
    ['http://', 'HTTPS_PROXY is not the address of a proxy'],
    ['file:///proxy', 'HTTPS_PROXY is not the address of a proxy'],
  ])('%s cannot be used', (value, said) => {
    expect(() => proxyFor(target, { HTTPS_PROXY: value })).toThrow(said)
    expect(proxyFor(new URL('http://registry.lan'), { HTTPS_PROXY: value })).toBeUndefined()
  })
})
