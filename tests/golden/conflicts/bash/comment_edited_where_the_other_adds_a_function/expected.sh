set -e

stop() {
  kill "$(cat pid)"
}

# Serve until it is stopped.
start() {
  ./serve
}
