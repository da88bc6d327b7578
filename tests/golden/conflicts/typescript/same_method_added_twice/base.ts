export class Basket {
  count(): number {
    return this.items.length;
  }
}
