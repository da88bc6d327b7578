<?php

enum Suit: string
{
    case Hearts = 'H';
    case Clubs = 'C';

    public function red(): bool
    {
        return true;
    }
}
