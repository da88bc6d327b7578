package shop;

import java.util.Arrays;

import bell.Ring;

class Till {}
