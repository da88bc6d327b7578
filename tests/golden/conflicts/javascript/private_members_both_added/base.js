export class Counter {
  #count = 0;

  get value() {
    return this.#count;
  }
}
