<?php

enum Suit: string
{
    case Hearts = 'H';
    case Spades = 'S';

    public function red(): bool
    {
        return true;
    }
}
