set -e

# Serve until it is stopped.
start() {
  ./serve
}
