set -e

stop() {
  kill "$(cat pid)"
}

# Serve.
start() {
  ./serve
}
