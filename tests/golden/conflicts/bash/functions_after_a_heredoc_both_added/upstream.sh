usage() {
  cat <<END
usage: shop COMMAND
END
}

version() {
  cat VERSION
}
