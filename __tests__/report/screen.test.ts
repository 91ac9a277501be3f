/** What is on the screen of a terminal, after lines that stay and lines that are drawn over. */
import { describe, expect, test } from '@jest/globals'
import { screen, type Screen } from '../../src/report/screen.js'
import { handClock, type HandClock } from '../support/clock.js'
import { emulator, type Emulator } from '../support/emulator.js'

interface Desk {
  readonly terminal: Emulator
  readonly clock: HandClock
  readonly on: Screen
}

function desk(columns = 40, rows = 8): Desk {
  const terminal = emulator(columns, rows)
  const clock = handClock()
  return { terminal, clock, on: screen(terminal, clock) }
}

describe('drawn lines', () => {
  test('are below the permanent lines, and the cursor is below them', async () => {
    const { terminal, clock, on } = desk()
    on.print('▸ rollout')
    on.draw(() => ['web 0 of 2', 'worker 0 of 3'])
    await clock.pass(100)
    on.print('  web: 1 of 2')
    expect(await terminal.screen()).toEqual([
      '▸ rollout',
      '  web: 1 of 2',
      'web 0 of 2',
      'worker 0 of 3',
    ])
    expect(await terminal.cursor()).toEqual({ row: 4, column: 0 })
  })

  test('replace the lines before, even by fewer and shorter ones', async () => {
    const { terminal, clock, on } = desk()
    on.print('▸ rollout')
    for (const lines of [['web: a long line', 'worker'], ['web'], [], ['web', 'worker', 'beat']]) {
      on.draw(() => lines)
      await clock.pass(100)
      expect(await terminal.screen()).toEqual(['▸ rollout', ...lines])
    }
  })

  test('are gone at the end', async () => {
    const { terminal, clock, on } = desk()
    on.print('▸ rollout')
    on.draw(() => ['web', 'worker'])
    await clock.pass(100)
    on.draw(undefined)
    on.print('✓ rollout')
    await clock.pass(5000)
    expect(await terminal.all()).toEqual(['▸ rollout', '✓ rollout'])
    expect(await terminal.cursor()).toEqual({ row: 2, column: 0 })
  })

  test('leave nothing in the scrollback', async () => {
    const { terminal, clock, on } = desk(40, 6)
    let drawn = 0
    on.draw(() => [`live ${drawn++}`, 'live'])
    await clock.pass(100)
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`)
    for (const line of lines) {
      on.print(line)
      await clock.pass(70)
    }
    expect((await terminal.all()).filter((line) => !line.startsWith('live'))).toEqual(lines)
    on.draw(undefined)
    expect(await terminal.all()).toEqual(lines)
  })

  test('are right below a permanent line that is wider than the window', async () => {
    const { terminal, clock, on } = desk(10)
    on.draw(() => ['live'])
    await clock.pass(100)
    on.print('0123456789abcde')
    expect(await terminal.screen()).toEqual(['0123456789', 'abcde', 'live'])
  })

  test('are redrawn over what a user types', async () => {
    const { terminal, clock, on } = desk()
    on.draw(() => ['web', 'worker'])
    await clock.pass(100)
    terminal.write('^C')
    on.print('· ended by SIGINT')
    expect(await terminal.screen()).toEqual(['· ended by SIGINT', 'web', 'worker'])
  })

  test('are right with letters that are wider than we think', async () => {
    const { terminal, clock, on } = desk(10)
    on.draw(() => ['漢'.repeat(9), 'next'])
    await clock.pass(100)
    on.print('said')
    expect(await terminal.screen()).toEqual(['said', expect.stringMatching(/^漢+$/), 'next'])
  })
})

describe('the screen is drawn', () => {
  test('not at once, so a stage of a moment draws nothing', async () => {
    const { terminal, clock, on } = desk()
    on.draw(() => ['web'])
    await clock.pass(90)
    on.draw(undefined)
    await clock.pass(1000)
    expect(terminal.written).toEqual([])
  })

  test('ten times a second at most, however often something changes', async () => {
    const { terminal, clock, on } = desk()
    let asked = 0
    for (let i = 0; i < 100; i++) {
      on.draw(() => [`${++asked}`])
      await clock.pass(10)
    }
    expect(asked).toBe(10)
    expect(terminal.written).toHaveLength(10)
  })

  test('once a second while nothing changes, and nothing equal is written again', async () => {
    const { terminal, clock, on } = desk()
    let asked = 0
    on.draw(() => [`${Math.floor(asked++ / 3)}`])
    await clock.pass(6100)
    expect(asked).toBe(7)
    expect(terminal.written).toHaveLength(3)
  })

  test('soon after a permanent line, which is written at once', async () => {
    const { terminal, clock, on } = desk()
    let ready = 0
    on.draw(() => [`${ready} ready`])
    await clock.pass(100)
    ready = 1
    on.print('web: 1 ready')
    expect(await terminal.screen()).toEqual(['web: 1 ready', '0 ready'])
    await clock.pass(100)
    expect(await terminal.screen()).toEqual(['web: 1 ready', '1 ready'])
  })

  test('not at all when there is nothing to draw any more', async () => {
    const { terminal, clock, on } = desk()
    on.draw(() => ['web'])
    await clock.pass(100)
    on.draw(undefined)
    const { length } = terminal.written
    await clock.pass(60_000)
    expect(terminal.written).toHaveLength(length)
  })
})

describe('a resized window', () => {
  const text = (columns: number) => 'x'.repeat(columns)

  test.each([
    ['narrower', 15, 8],
    ['much narrower', 10, 8],
    ['wider', 60, 8],
    ['lower', 40, 5],
    ['higher', 40, 20],
    ['narrower and lower', 12, 7],
  ])('is redrawn without remains when it is %s', async (_, columns, rows) => {
    const { terminal, clock, on } = desk(40, 8)
    on.print('one')
    on.print('two')
    on.draw((size) => [text(size.columns), 'b', 'c'])
    await clock.pass(100)
    await terminal.resize(columns, rows)
    await clock.pass(100)
    expect(await terminal.all()).toEqual(['one', 'two', text(columns), 'b', 'c'])
    on.print('three')
    expect(await terminal.all()).toEqual(['one', 'two', 'three', text(columns), 'b', 'c'])
    on.draw(undefined)
    expect(await terminal.all()).toEqual(['one', 'two', 'three'])
  })

  test('has no remains when a line is written before it is redrawn', async () => {
    const { terminal, clock, on } = desk(40, 8)
    on.draw((size) => Array.from({ length: size.rows - 2 }, (_, i) => `live ${i}`))
    await clock.pass(100)
    await terminal.resize(40, 8)
    await terminal.resize(40, 9)
    on.print('said')
    await terminal.resize(40, 7)
    on.print('and said')
    await clock.pass(100)
    const live = ['live 0', 'live 1', 'live 2', 'live 3', 'live 4']
    expect(await terminal.all()).toEqual(['said', 'and said', ...live])
  })
})

test('every write leaves the terminal in its usual mode, with a visible cursor', async () => {
  const { terminal, clock, on } = desk()
  on.draw(() => ['web'])
  await clock.pass(2000)
  on.print('said')
  on.draw(undefined)
  for (const text of terminal.written) {
    const off = text.lastIndexOf('\u001b[?7l')
    expect(off <= text.lastIndexOf('\u001b[?7h')).toBe(true)
    expect(text).not.toContain('\u001b[?25l')
  }
})
