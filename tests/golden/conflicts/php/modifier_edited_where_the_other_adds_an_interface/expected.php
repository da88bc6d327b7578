<?php

interface Counts
{
}

final class Till
{
}
