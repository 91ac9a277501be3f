# What is built once and kept: parts/<name>-<version>/.
# shellcheck shell=bash

part_dir() { printf '%s\n' "$PARTS/$1-$2"; }

has_part() { [[ -d "$(part_dir "$1" "$2")" ]]; }

# Builds a part in a folder beside its place and moves it there when complete,
# so that a killed build never looks like a finished one.
# COMMAND gets the folder to fill as its first argument.
make_part() { # NAME VERSION WHAT USUALLY COMMAND [ARGUMENT…]
  local name="$1" version="$2" what="$3" usually="$4" temporary
  shift 4
  if has_part "$name" "$version"; then
    return
  fi
  temporary="$(mktemp -d "$PARTS/.tmp-$name-XXXXXX")"
  chmod 755 "$temporary"
  step "$name" "$what" "$usually" "$1" "$temporary" "${@:2}"
  mv "$temporary" "$(part_dir "$name" "$version")"
}

# The version of a part that is made from files of this folder.
content_version() { # FILE…
  cat "$@" | sha256sum | cut -c1-12
}

link_program() { # FILE NAME: makes it callable from STACK_BIN
  ln -sfn "$1" "$STACK_BIN/$2"
}
