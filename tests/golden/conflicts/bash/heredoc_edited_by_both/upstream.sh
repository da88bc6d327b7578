usage() {
  cat <<END
usage: shop [-v] COMMAND
END
}
