<?php

use Shop\{Basket, Item};

function total(Basket $basket): int
{
    return $basket->total();
}

function receipt(Basket $of, string $line = "\n"): string
{
    return implode($line, $of->lines());
}
