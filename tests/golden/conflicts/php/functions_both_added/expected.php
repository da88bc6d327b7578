<?php

use Shop\{Basket, Item};

function total(Basket $basket): int
{
    return $basket->total();
}

function is_open(Shop $shop): bool
{
    return !$shop->closed;
}

function receipt(Basket $of, string $line = "\n"): string
{
    return implode($line, $of->lines());
}
