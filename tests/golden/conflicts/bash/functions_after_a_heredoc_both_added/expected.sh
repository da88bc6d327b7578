usage() {
  cat <<END
usage: shop COMMAND
END
}

version() {
  cat VERSION
}

fail() {
  echo "$1" >&2
  exit 2
}
