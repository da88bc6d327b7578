usage() {
  cat <<END
usage: shop COMMAND
END
}

fail() {
  echo "$1" >&2
  exit 2
}
