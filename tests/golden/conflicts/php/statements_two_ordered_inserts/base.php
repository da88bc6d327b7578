<?php

$app->get('/', Home::class);
