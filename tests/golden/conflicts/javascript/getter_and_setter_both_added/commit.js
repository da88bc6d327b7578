class Tank {
  constructor() {
    this.level = 0;
  }

  drain() {
    this.level = 0;
  }
}
