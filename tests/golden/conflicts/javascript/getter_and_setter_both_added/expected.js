class Tank {
  constructor() {
    this.level = 0;
  }

  get full() {
    return this.level === 100;
  }

  drain() {
    this.level = 0;
  }
}
