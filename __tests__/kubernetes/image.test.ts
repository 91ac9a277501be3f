import { expect, test } from '@jest/globals'
import {
  appOf,
  isImage,
  isOfRepository,
  parseImage,
  shortName,
  versionOf,
  type ImageReference,
} from '../../src/kubernetes/image.js'

const digest = `sha256:${'ab'.repeat(32)}`
const sha = '0123456789abcdef0123456789abcdef01234567'

test.each<[string, ImageReference]>([
  ['shop', { repository: 'shop' }],
  ['shop:1', { repository: 'shop', tag: '1' }],
  ['ghcr.io/acme/shop:1', { repository: 'ghcr.io/acme/shop', tag: '1' }],
  ['localhost:5000/shop', { repository: 'localhost:5000/shop' }],
  ['localhost:5000/shop:1', { repository: 'localhost:5000/shop', tag: '1' }],
  [`shop@${digest}`, { repository: 'shop', digest }],
  [`r.io:5000/shop:1@${digest}`, { repository: 'r.io:5000/shop', tag: '1', digest }],
  ['', { repository: '' }],
])('the image %j is split into its parts', (text, parts) => {
  expect(parseImage(text)).toEqual(parts)
})

test.each([
  ['ghcr.io/acme/shop:1', 'ghcr.io/acme/shop', true],
  [`ghcr.io/acme/shop:1@${digest}`, 'ghcr.io/acme/shop', true],
  ['ghcr.io/acme/shop-web:1', 'ghcr.io/acme/shop', false],
  ['ghcr.io/acme/shop/web:1', 'ghcr.io/acme/shop', false],
  ['acme/shop:1', 'ghcr.io/acme/shop', false],
  ['shop', 'ghcr.io/acme/shop', false],
  ['localhost/shop', 'shop', false],
  ['r.io:5000/shop', 'r.io/shop', false],
  ['', 'shop', false],
  // All names of one repository of Docker Hub.
  ['acme/shop', 'docker.io/acme/shop', true],
  ['index.docker.io/acme/shop:1', 'acme/shop', true],
  ['nginx:1', 'docker.io/library/nginx', true],
  ['library/nginx', 'nginx', true],
  ['docker.io/nginx', 'nginx', true],
  ['index.docker.io/nginx', 'library/nginx', true],
])('the image %s belongs to the repository %s: %s', (image, repository, is) => {
  expect(isOfRepository(image, repository)).toBe(is)
})

test.each([
  ['ghcr.io/acme/shop', 'shop'],
  ['ghcr.io/acme/my_shop', 'my-shop'],
  ['acme/my__shop.web', 'my-shop-web'],
  [`acme/${'a'.repeat(62)}_b`, 'a'.repeat(62)],
])('the application name for %s is %s, which is valid for objects', (repository, name) => {
  expect(appOf(repository)).toBe(name)
})

test.each([
  ['ghcr.io/acme/shop', 'shop'],
  ['localhost:5000/shop', 'shop'],
  ['shop', 'shop'],
])('the repository %s has the short name %s', (repository, name) => {
  expect(shortName(repository)).toBe(name)
})

test.each([
  ['shop:1.4', '1.4'],
  [`shop:${sha}`, '0123456789ab'],
  [`shop:${sha}-dirty`, '0123456789ab-dirty'],
  ['shop:4f2c1d9', '4f2c1d9'],
  [`shop:1.4@${digest}`, '1.4'],
  [`shop@${digest}`, 'sha256:abababababab'],
  ['localhost:5000/shop', 'latest'],
])('the image %s is shown as %s', (image, version) => {
  expect(versionOf(image)).toBe(version)
})

test.each([
  ['nginx', true],
  ['nginx:1.27-alpine', true],
  ['127.0.0.1:5000/acme/my__shop.x-y:V1_0', true],
  ['[fd00::1]:5000/acme/shop', true],
  ['Registry.example/shop', true],
  [`shop@sha256:${'0'.repeat(64)}`, true],
  ['', false],
  ['${IMAGE}', false],
  ['$(IMAGE)', false],
  ['{{ image }}', false],
  ['<image>', false],
  ['REPLACE_ME', false],
  ['IMAGE:tag', false],
  ['acme/Shop:1', false],
  ['shop:${TAG}', false],
  ['shop:', false],
  ['shop@sha256:0', false],
  ['a b', false],
])('%j can be the name of an image: %s', (text, can) => {
  expect(isImage(text)).toBe(can)
})
