// Loaded before a program (NODE_OPTIONS): its clock is wrong by CLOCK_SHIFT_MS.
const shift = Number(process.env.CLOCK_SHIFT_MS)
const Right = Date

globalThis.Date = class extends Right {
  constructor(...given) {
    super(...(given.length === 0 ? [Right.now() + shift] : given))
  }

  static now() {
    return Right.now() + shift
  }
}

const { performance } = globalThis
Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + shift })
