"""Small texts in formats that have few golden cases, for the fuzzer to begin from: by the path they stand at."""

SEEDS: dict[str, bytes] = {
    "src/stock.rs": b"""use std::collections::HashMap;
use std::fmt;

pub struct Stock {
    pub items: HashMap<String, u32>,
    limit: u32,
}

impl Stock {
    pub fn new(limit: u32) -> Self {
        Stock { items: HashMap::new(), limit }
    }

    pub fn add(&mut self, name: &str, count: u32) -> u32 {
        let total = self.items.get(name).copied().unwrap_or(0) + count;
        self.items.insert(name.to_string(), total);
        total
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn adds() {}
}
""",
    "src/stock.c": b"""#include <stdio.h>
#include <string.h>

#define LIMIT 10

struct stock {
    int count;
    const char *name;
};

static int add(struct stock *s, int n) {
    if (n < 0) {
        return -1;
    }
    s->count += n;
    return s->count;
}

int main(void) {
    struct stock s = {0, "apples"};
    printf("%d\\n", add(&s, LIMIT));
    return 0;
}
""",
    "src/stock.cpp": b"""#include <map>
#include <string>

namespace store {

class Stock {
public:
    explicit Stock(int limit) : limit_(limit) {}

    int add(const std::string& name, int count) {
        items_[name] += count;
        return items_[name];
    }

    bool full() const { return total() >= limit_; }

private:
    int limit_;
    std::map<std::string, int> items_;
};

}  // namespace store
""",
    "Stock.cs": b"""using System;
using System.Collections.Generic;

namespace Store
{
    public class Stock
    {
        private readonly int limit;
        public Dictionary<string, int> Items { get; } = new();

        public Stock(int limit)
        {
            this.limit = limit;
        }

        public int Add(string name, int count)
        {
            Items[name] = count;
            return count;
        }
    }
}
""",
    "lib/stock.rb": b"""require "json"
require_relative "entry"

module Store
  class Stock
    attr_reader :items

    def initialize(limit)
      @limit = limit
      @items = {}
    end

    def add(name, count = 1)
      @items[name] = count
    end

    def full?
      @items.size >= @limit
    end
  end
end
""",
    "src/Stock.php": b"""<?php

namespace Store;

use Store\\Entry;
use Store\\Log;

class Stock
{
    private array $items = [];

    public function add(string $name, int $count): int
    {
        $this->items[$name] = $count;
        return $count;
    }

    public function full(): bool
    {
        return count($this->items) > 10;
    }
}
""",
    "Stock.kt": b"""package store

import java.time.Instant
import java.util.UUID

data class Entry(val name: String, val count: Int)

class Stock(private val limit: Int) {
    private val items = mutableMapOf<String, Entry>()

    fun add(name: String, count: Int): Entry {
        val entry = Entry(name, count)
        items[name] = entry
        return entry
    }

    fun full() = items.size >= limit
}
""",
    "Stock.scala": b"""package store

import scala.collection.mutable

case class Entry(name: String, count: Int)

class Stock(limit: Int) {
  private val items = mutable.Map.empty[String, Entry]

  def add(name: String, count: Int): Entry = {
    val entry = Entry(name, count)
    items(name) = entry
    entry
  }

  def full: Boolean = items.size >= limit
}
""",
    "run.sh": b"""#!/bin/sh
set -eu

LIMIT=10
NAME="apples"

usage() {
    echo "usage: run.sh NAME"
    exit 2
}

add() {
    count=$1
    if [ "$count" -gt "$LIMIT" ]; then
        usage
    fi
    echo "$count"
}

add "$@"
""",
    "stack.yaml": b"""# what runs where
version: 3
services:
  web:
    image: web:1.2
    ports:
      - "80:80"
      - "443:443"
    environment:
      LIMIT: 10
  worker:
    image: worker:1.2
    restart: always
volumes:
  data: {}
""",
    "settings.toml": b"""# settings
title = "stock"

[server]
host = "localhost"
port = 8080

[limits]
items = 10
names = ["apples", "pears"]

[[rules]]
name = "first"
""",
    "messages.properties": b"""# messages
title=Stock
title.short=St
error.full=The stock is full
error.name = No such name: {0}
long.text=one \\
  two
""",
    "stock.ini": b"""; settings
[server]
host = localhost
port = 8080

[limits]
items = 10
""",
    "stock.xml": b"""<?xml version="1.0"?>
<!-- what there is -->
<stock limit="10">
  <item name="apples" count="1"/>
  <item name="pears">
    <note>green</note>
  </item>
  <empty/>
</stock>
""",
    "page.html": b"""<!DOCTYPE html>
<html>
<head>
  <title>Stock</title>
  <link rel="stylesheet" href="a.css">
</head>
<body>
  <ul>
    <li>apples</li>
    <li>pears</li>
  </ul>
</body>
</html>
""",
    "style.css": b"""@import "a.css";

.item {
  color: red;
  margin: 0 1px;
}

.item:hover,
.name {
  color: blue;
}

@media (max-width: 600px) {
  .item { display: none; }
}
""",
    "guide.md": b"""# Stock

What it is.

## Adding

- apples
- pears

## Limits

Ten at most.

```
stock add apples
```
""",
    "requirements.txt": b"""# needed
alpha==1.2.3
beta>=2.0,<3
gamma[extra]~=1.4 ; python_version > "3.8"
-r other.txt
""",
    "go.mod": b"""module example.org/stock

go 1.21

require (
\texample.org/alpha v1.2.3
\texample.org/beta v0.4.0 // indirect
)

replace example.org/alpha => ../alpha
""",
    "package.json": b"""{
  "name": "stock",
  "version": "1.2.3",
  "scripts": {
    "test": "run"
  },
  "dependencies": {
    "alpha": "^1.2.3",
    "beta": "~2.0.0"
  }
}
""",
    "pom.xml": b"""<project>
  <version>1.2.3</version>
  <properties>
    <alpha.version>1.0</alpha.version>
  </properties>
  <dependencies>
    <dependency>
      <groupId>org.example</groupId>
      <artifactId>alpha</artifactId>
      <version>${alpha.version}</version>
    </dependency>
  </dependencies>
</project>
""",
    "Cargo.toml": b"""[package]
name = "stock"
version = "0.1.0"

[dependencies]
alpha = "1.2"
beta = { version = "0.3", features = ["x"] }
""",
    "pyproject.toml": b"""[project]
name = "stock"
version = "1.2.3"
dependencies = [
    "alpha>=1.2",
    "beta",
]

[tool.lint]
line-length = 100
""",
    "CHANGELOG.md": b"""# Changelog

## Unreleased

- Count apples.
- Count pears.

## 1.1 - 2020-01-01

- The first.
""",
    "CHANGES.rst": b"""Changes
=======

Version 2.1
-----------

Unreleased

-   Count apples. :issue:`1`
-   Count pears,
    green ones too. :issue:`2`

Version 2.0
-----------

-   The first.
""",
    "notes.txt": b"""one
two

three four
five
""",
}
