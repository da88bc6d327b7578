package shop;

import java.util.ArrayList;
import java.util.Arrays;

import bell.Ring;

class Till {}
