@Component()
export class Cart {
  rows() {
    return 1;
  }

  @Bind()
  clear(): void {
    this.store.drop();
  }

  @Memo('size')
  size(): number {
    return this.rows().length;
  }
}
