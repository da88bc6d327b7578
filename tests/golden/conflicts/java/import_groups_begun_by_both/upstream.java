package shop;

import java.util.ArrayList;

import bell.Ring;

class Till {}
