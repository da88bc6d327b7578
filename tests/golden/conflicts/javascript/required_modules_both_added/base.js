const fs = require('fs');

fs.open();
