@Component()
export class Cart {
  rows() {
    return 1;
  }

  @Memo('size')
  size(): number {
    return this.rows().length;
  }
}
