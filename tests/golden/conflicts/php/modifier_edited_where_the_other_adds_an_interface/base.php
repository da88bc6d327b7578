<?php

class Till
{
}
