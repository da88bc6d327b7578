export class Basket {
  count(): number {
    return this.items.length;
  }

  isEmpty(): boolean {
    return !this.items.length;
  }
}
