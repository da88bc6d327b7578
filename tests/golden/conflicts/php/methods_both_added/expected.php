<?php

namespace Shop;

use DateTimeImmutable;
use Shop\Item;

class Basket
{
    private array $items = [];

    public function count(): int
    {
        return count($this->items);
    }

    /** Puts everything back. */
    public function clear(): void
    {
        $this->items = [];
    }

    #[Pure]
    public static function of(Item ...$items): self
    {
        return new self($items);
    }
}
