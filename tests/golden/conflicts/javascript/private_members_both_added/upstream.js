export class Counter {
  #count = 0;

  get value() {
    return this.#count;
  }

  #reset() {
    this.#count = 0;
  }
}
