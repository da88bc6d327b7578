<?php

enum Suit: string
{
    case Hearts = 'H';

    public function red(): bool
    {
        return true;
    }
}
