#!/usr/bin/env bash
set -euo pipefail

name=shop
port=8080

start() {
  ./serve --port "$port"
}

# Say where it listens.
where() {
  echo "http://localhost:$port"
}

start
