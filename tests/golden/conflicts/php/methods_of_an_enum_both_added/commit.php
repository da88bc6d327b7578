<?php

enum Suit: string
{
    case Hearts = 'H';

    public function red(): bool
    {
        return true;
    }

    public static function random(): self
    {
        return self::cases()[0];
    }
}
