#!/usr/bin/env bash
set -euo pipefail

name=shop
port=9090

start() {
  ./serve --port "$port"
}

start
