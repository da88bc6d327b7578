<?php

interface Counts
{
}

class Till
{
}
