# Tools beside the cluster: act runs workflows here, actionlint and zizmor check them, and Chromium shows
# the outputs of a workflow. The cases' scripts call jq and busybox. The benchmarks compare with helm. A long test
# signs images with cosign.
# shellcheck shell=bash

ACT_VERSION=v0.2.89
ACTIONLINT_VERSION=v1.7.12
ZIZMOR_VERSION=1.32.0
HELM_VERSION=v4.3.1
COSIGN_VERSION=v3.1.3
GO_AT_LEAST=1.26
GO_THAT_FETCHES=1.21 # from this one on, Go fetches a newer Go by itself

need_go() {
  local version
  if ! version="$(go env GOVERSION 2>/dev/null)"; then
    unusable "Go is missing: install Go $GO_THAT_FETCHES or later (https://go.dev/dl/)"
  fi
  if ! is_at_least "$GO_THAT_FETCHES" "${version#go}"; then
    unusable "Go $GO_THAT_FETCHES or later is needed, this is ${version#go} (https://go.dev/dl/)"
  fi
  if ! is_at_least "$GO_AT_LEAST" "${version#go}"; then
    export GOTOOLCHAIN="go$GO_AT_LEAST.0+auto"
  fi
}

is_at_least() { # LEAST VERSION
  [[ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" == "$1" ]]
}

go_install() { # FOLDER PACKAGE@VERSION [LINKER_FLAGS]
  GOBIN="$1" CGO_ENABLED=0 go install -trimpath -ldflags "-s -w ${3:-}" "$2"
}

# What the tests need, or only what is named.
provide_tools() { # [NAME…]
  local name
  if (($# == 0)); then set -- act actionlint zizmor chromium jq busybox; fi
  for name in "$@"; do
    case "$name" in
      act) build_act ;;
      actionlint) build_actionlint ;;
      zizmor) ensure_zizmor ;;
      chromium) ensure_chromium ;;
      jq | busybox) ensure_package "$name" ;;
      helm) build_helm ;;
      cosign) build_cosign ;;
      *) unusable "there is no tool $name: it is one of act, actionlint, zizmor, chromium, jq, busybox, helm, cosign" ;;
    esac
  done
}

build_act() {
  has_part act "$ACT_VERSION" || need_go
  make_part act "$ACT_VERSION" "act $ACT_VERSION from its Go module" "20 to 80 s" \
    go_install "github.com/nektos/act@$ACT_VERSION"
  link_program "$(part_dir act "$ACT_VERSION")/act" act
}

build_actionlint() {
  has_part actionlint "$ACTIONLINT_VERSION" || need_go
  make_part actionlint "$ACTIONLINT_VERSION" "actionlint $ACTIONLINT_VERSION from its Go module" "10 s" \
    go_install "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT_VERSION"
  link_program "$(part_dir actionlint "$ACTIONLINT_VERSION")/actionlint" actionlint
}

# By pip of the machine, or by one that venv brings.
ensure_zizmor() {
  if ! has_part zizmor "$ZIZMOR_VERSION" && ! python3 -m pip --version >/dev/null 2>&1 &&
    ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
    tell zizmor "not there: it comes from PyPI, and this machine has no Python with pip or venv (Debian: python3-venv)"
    return
  fi
  make_part zizmor "$ZIZMOR_VERSION" "zizmor $ZIZMOR_VERSION from PyPI" "5 s" pip_install "zizmor==$ZIZMOR_VERSION"
  link_program "$(part_dir zizmor "$ZIZMOR_VERSION")/bin/zizmor" zizmor
}

pip_install() { # FOLDER PACKAGE==VERSION
  local python=python3
  if ! python3 -m pip --version; then
    python3 -m venv "$1/venv"
    python="$1/venv/bin/python"
  fi
  "$python" -m pip install --no-cache-dir --disable-pip-version-check --target "$1" "$2"
}

# Only on request: `up` and the tests do without.
build_helm() {
  has_part helm "$HELM_VERSION" || need_go
  make_part helm "$HELM_VERSION" "helm $HELM_VERSION from its Go module" "1 to 4 min" \
    go_install "helm.sh/helm/v4/cmd/helm@$HELM_VERSION" "-X helm.sh/helm/v4/internal/version.version=$HELM_VERSION"
  link_program "$(part_dir helm "$HELM_VERSION")/helm" helm
}

# Only on request, too: __tests__/long/signatures.test.ts requests it.
build_cosign() {
  has_part cosign "$COSIGN_VERSION" || need_go
  make_part cosign "$COSIGN_VERSION" "cosign $COSIGN_VERSION from its Go module" "3 to 15 min" \
    go_install "github.com/sigstore/cosign/v3/cmd/cosign@$COSIGN_VERSION"
  link_program "$(part_dir cosign "$COSIGN_VERSION")/cosign" cosign
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

install_chromium() { install_debian chromium fonts-liberation fonts-noto-color-emoji; }

# Programs that the scripts of __tests__/cases call, taken as the machine has them.
ensure_package() { # NAME
  if command -v "$1" >/dev/null; then return; fi
  if embedded_is_possible; then
    step "$1" "apt-get install $1" "10 s" install_debian "$1"
  else
    tell "$1" "not there: tests of the cases need $1 in PATH"
  fi
}

install_debian() { # PACKAGE…
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install --yes --no-install-recommends "$@"
}
