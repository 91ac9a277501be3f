if (parseInt(process.versions.node) < 24) {
  console.error(`django-rollout needs Node 24 or later, and this is ${process.version}`)
  process.exitCode = 2
} else {
  const { action } = await import('../index.js')
  await action()
}
