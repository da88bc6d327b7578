const fs = require('fs');
const os = require('os');
const net = require('net');

fs.open();
