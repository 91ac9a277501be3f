import { BlockList, isIP } from 'node:net'

/** Returns whether an IP address is in one of the ranges: `10.0.0.0/8`, `fd00::/8`. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  const family = (one: string) => (isIP(one) === 6 ? 'ipv6' : 'ipv4')
  const list = new BlockList()
  for (const range of ranges) {
    const [net = '', bits = ''] = range.split('/')
    if (isIP(net) !== 0) list.addSubnet(net, Number(bits), family(net))
  }
  return isIP(address) !== 0 && list.check(address, family(address))
}
