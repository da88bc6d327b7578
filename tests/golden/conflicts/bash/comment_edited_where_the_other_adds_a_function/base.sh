set -e

# Serve.
start() {
  ./serve
}
