<?php

use Shop\{Basket, Item};

function total(Basket $basket): int
{
    return $basket->total();
}
