<?php

use Shop\{Basket, Coupon, Item};

function total(Basket $basket): int
{
    return $basket->total();
}
