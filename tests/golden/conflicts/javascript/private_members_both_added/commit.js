export class Counter {
  #count = 0;

  get value() {
    return this.#count;
  }

  static from(text) {
    return new Counter(Number(text));
  }
}
