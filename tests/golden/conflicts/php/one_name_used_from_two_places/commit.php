<?php

namespace Shop;

use DateTimeImmutable;
use Shop\Item;
use Calendar\Event;

class Basket
{
    private array $items = [];

    public function count(): int
    {
        return count($this->items);
    }
}
