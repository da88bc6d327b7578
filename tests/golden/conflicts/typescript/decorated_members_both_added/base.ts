@Component()
export class Cart {
  rows() {
    return 1;
  }
}
