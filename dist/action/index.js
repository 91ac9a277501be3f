if (parseInt(process.versions.node) < 24) {
  console.error(`django-rollout needs Node 24 or later, and this is ${process.version}`)
  process.exitCode = 2
} else if (process.platform === 'win32') {
  console.error('django-rollout does not run on Windows: run it on Linux or macOS, in WSL, or in a workflow with "runs-on: ubuntu-latest"')
  process.exitCode = 2
} else {
  const { action } = await import('../index.js')
  await action()
}
