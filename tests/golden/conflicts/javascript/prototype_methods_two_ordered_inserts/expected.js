Cart.prototype.add = function (a) {
  this.rows.push(a);
};

Cart.prototype.clear = function () {
  this.rows = [];
};

Cart.prototype.size = function () {
  return this.rows.length;
};
