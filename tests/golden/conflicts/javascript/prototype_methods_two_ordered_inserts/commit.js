Cart.prototype.add = function (a) {
  this.rows.push(a);
};

Cart.prototype.size = function () {
  return this.rows.length;
};
