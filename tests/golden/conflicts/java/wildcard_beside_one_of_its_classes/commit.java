package shop;

import java.io.File;
import java.util.List;

class Till {}
