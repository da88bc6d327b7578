const fs = require('fs');
const os = require('os');

fs.open();
