usage() {
  cat <<END
usage: shop COMMAND FILE
END
}
