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
