<?php

use Shop\{Basket, Coupon, Item, Price};

function total(Basket $basket): int
{
    return $basket->total();
}
