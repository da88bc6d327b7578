<?php

$app->get('/', Home::class);
$app->get('/new', Fresh::class);
