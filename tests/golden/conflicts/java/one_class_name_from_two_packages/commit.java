package shop;

import java.io.File;
import java.sql.Date;

class Till {
}
