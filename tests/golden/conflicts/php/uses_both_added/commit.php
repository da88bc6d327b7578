<?php

namespace Shop;

use DateTimeImmutable;
use Shop\Item;
use Shop\Voucher as Coupon;

class Basket
{
    private array $items = [];

    public function count(): int
    {
        return count($this->items);
    }
}
