package shop;

import java.io.File;

class Till {}
