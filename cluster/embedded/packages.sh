# What comes as Debian packages. Ordinary tools are installed where they are
# missing; a daemon that Debian would start by itself (registry), and what is
# newer than the machine's own release (buildx, etcd), are unpacked into a part.
# shellcheck shell=bash

# Program and the package that has it.
REQUIRED_PROGRAMS='
dockerd docker.io
containerd containerd
runc runc
iptables iptables
conntrack conntrack
socat socat
ip iproute2
ebtables ebtables
ethtool ethtool
mmdebstrap mmdebstrap
openssl openssl
curl curl
'
CNI_PLUGINS=/usr/lib/cni

# The Debian release of the images: it has Python 3.13, PostgreSQL 17, Redis 8.
IMAGE_SUITE=trixie

missing_packages() {
  local program package
  while read -r program package; do
    if [[ -n "$program" ]] && ! command -v "$program" >/dev/null; then
      printf '%s\n' "$package"
    fi
  done <<<"$REQUIRED_PROGRAMS"
  if [[ ! -x "$CNI_PLUGINS/bridge" ]]; then
    printf '%s\n' containernetworking-plugins
  fi
}

# From trixie on, docker.io no longer brings the docker command.
client_package() {
  if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then
    printf '%s\n' docker-cli
  fi
}

install_packages() { # PACKAGE…
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  local client
  client="$(client_package)"
  apt-get install --yes --no-install-recommends "$@" ${client:+"$client"}
}

ensure_packages() {
  local packages
  mapfile -t packages < <(missing_packages)
  if ((${#packages[@]})); then
    step packages "apt-get install ${packages[*]}" "20 s" install_packages "${packages[@]}"
  fi
  make_part debian-daemons "$(debian_codename)" "the registry from Debian's packages" "3 s" unpack_daemons
}

# Before 3.5.13 a watch of the API server cannot begin with the list.
ensure_etcd() {
  make_part etcd "$IMAGE_SUITE" "etcd from Debian $IMAGE_SUITE" "5 s" unpack_newer "$(debian_mirror)" etcd-server
}

debian_codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# The mirror that this machine itself uses.
debian_mirror() {
  local mirror
  # apt expands these names, not the shell.
  # shellcheck disable=SC2016
  mirror="$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' |
    awk '$2 == "Debian" { print $1; exit }')"
  printf '%s\n' "${mirror%/}"
}

need_mirror() {
  if [[ -z "$(debian_mirror)" ]]; then
    step packages "apt-get update" "5 s" apt-get update
  fi
  [[ -n "$(debian_mirror)" ]] || unusable "no Debian mirror among this machine's apt sources"
}

unpack() { # FOLDER PACKAGE.deb…: its programs, side by side
  local folder="$1" package
  shift
  for package in "$@"; do dpkg-deb --extract "$package" "$folder/root"; done
  find "$folder/root" \( -path '*/bin/*' -o -path '*/cli-plugins/*' \) -type f -exec mv -f -t "$folder" {} \;
  rm -rf "$folder/root" "$@"
}

unpack_daemons() { # FOLDER
  cd "$1" || exit
  # The lists may be older than the mirror: then the files are gone from it.
  apt-get download docker-registry || {
    apt-get update
    apt-get download docker-registry
  }
  unpack "$1" ./*.deb
}

# A package of a newer Debian, by a separate apt state: the machine's is not touched.
unpack_newer() { # FOLDER MIRROR PACKAGE
  local folder="$1" mirror="$2" package="$3" state="$1/apt"
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
    "$mirror" "$IMAGE_SUITE" >"$state/sources.list"
  local options=(
    -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=-
    -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache"
    -o APT::Sandbox::User=root
  )
  cd "$folder" || exit
  apt-get "${options[@]}" update
  apt-get "${options[@]}" download "$package"
  unpack "$folder" ./*.deb
  rm -rf "$state"
}
