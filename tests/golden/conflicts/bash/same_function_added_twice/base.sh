#!/usr/bin/env bash
set -euo pipefail

name=shop
port=8080

start() {
  ./serve --port "$port"
}

start
