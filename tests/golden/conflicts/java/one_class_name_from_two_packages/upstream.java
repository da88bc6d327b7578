package shop;

import java.io.File;
import java.util.Date;

class Till {
}
