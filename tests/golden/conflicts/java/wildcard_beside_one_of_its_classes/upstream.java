package shop;

import java.io.File;
import java.util.*;

class Till {}
