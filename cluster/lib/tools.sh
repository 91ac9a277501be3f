# Tools beside the cluster: act runs workflows here, actionlint checks them, and Chromium shows what a
# workflow tells. The benchmarks compare with helm.
# shellcheck shell=bash

ACT_VERSION=v0.2.89
ACTIONLINT_VERSION=v1.7.12
HELM_VERSION=v4.3.1
GO_AT_LEAST=1.26

need_go() {
  local version
  if ! version="$(go env GOVERSION 2>/dev/null)"; then
    unusable "Go is missing: install Go $GO_AT_LEAST or later (https://go.dev/dl/; distributions ship older ones)"
  fi
  if [[ "$(printf '%s\n' "$GO_AT_LEAST" "${version#go}" | sort -V | head -n 1)" != "$GO_AT_LEAST" ]]; then
    unusable "Go $GO_AT_LEAST or later is needed, this is ${version#go} (https://go.dev/dl/)"
  fi
}

go_install() { # FOLDER PACKAGE@VERSION [LINKER_FLAGS]
  GOBIN="$1" CGO_ENABLED=0 go install -trimpath -ldflags "-s -w ${3:-}" "$2"
}

build_tools() {
  if ! has_part actionlint "$ACTIONLINT_VERSION" || ! has_part act "$ACT_VERSION"; then
    need_go
  fi
  make_part actionlint "$ACTIONLINT_VERSION" "actionlint $ACTIONLINT_VERSION from its Go module" "10 s" \
    go_install "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT_VERSION"
  make_part act "$ACT_VERSION" "act $ACT_VERSION from its Go module" "20 to 80 s" \
    go_install "github.com/nektos/act@$ACT_VERSION"
  link_program "$(part_dir actionlint "$ACTIONLINT_VERSION")/actionlint" actionlint
  link_program "$(part_dir act "$ACT_VERSION")/act" act
}

# Only for those who ask for it: `up` and the tests do without.
build_helm() {
  if ! has_part helm "$HELM_VERSION"; then
    need_go
  fi
  make_part helm "$HELM_VERSION" "helm $HELM_VERSION from its Go module" "1 to 4 min" \
    go_install "helm.sh/helm/v4/cmd/helm@$HELM_VERSION" "-X helm.sh/helm/v4/internal/version.version=$HELM_VERSION"
  link_program "$(part_dir helm "$HELM_VERSION")/helm" helm
}

# Chromium is taken as the machine has it. The fonts are for what GitHub shows: text like Arial, and signs.
ensure_chromium() {
  local program
  for program in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$program" >/dev/null; then return; fi
  done
  if embedded_is_possible; then
    step chromium "apt-get install chromium" "30 s" install_chromium
  else
    tell chromium "not there: the test of the job summary needs Chromium or Chrome in PATH"
  fi
}

install_chromium() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install --yes --no-install-recommends chromium fonts-liberation fonts-noto-color-emoji
}
