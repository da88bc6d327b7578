<?php

$app->get('/', Home::class);
$app->get('/{name}', Page::class);
