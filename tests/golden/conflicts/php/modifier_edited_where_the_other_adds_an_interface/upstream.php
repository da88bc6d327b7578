<?php

final class Till
{
}
