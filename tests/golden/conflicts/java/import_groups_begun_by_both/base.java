package shop;

import bell.Ring;

class Till {}
