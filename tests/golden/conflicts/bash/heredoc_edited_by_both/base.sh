usage() {
  cat <<END
usage: shop COMMAND
END
}
