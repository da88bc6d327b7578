#!/usr/bin/env bash
set -euo pipefail

name=market
port=8080

start() {
  ./serve --port "$port"
}

start
