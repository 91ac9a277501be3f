import { BlockList, isIP } from 'node:net'

/** Returns whether an IP address is in one of the ranges: `10.0.0.0/8`, `fd00::/8`, or is one of them: `10.0.0.5`. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  const family = (one: string) => (isIP(one) === 6 ? 'ipv6' : 'ipv4')
  const list = new BlockList()
  for (const range of ranges) {
    const [net = '', bits, ...more] = range.split('/')
    const most = isIP(net) === 6 ? 128 : 32
    if (isIP(net) === 0 || more.length > 0) continue
    if (bits === undefined) list.addAddress(net, family(net))
    else if (/^\d+$/.test(bits) && Number(bits) <= most)
      list.addSubnet(net, Number(bits), family(net))
  }
  return isIP(address) !== 0 && list.check(address, family(address))
}
