class Tank {
  constructor() {
    this.level = 0;
  }
}
