const fs = require('fs');
const net = require('net');

fs.open();
