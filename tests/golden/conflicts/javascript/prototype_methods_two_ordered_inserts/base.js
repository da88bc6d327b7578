Cart.prototype.add = function (a) {
  this.rows.push(a);
};
