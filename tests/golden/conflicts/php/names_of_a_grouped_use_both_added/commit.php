<?php

use Shop\{Basket, Item, Price};

function total(Basket $basket): int
{
    return $basket->total();
}
