#!/usr/bin/env bash
set -euo pipefail

name=market
port=9090

start() {
  ./serve --port "$port"
}

start
