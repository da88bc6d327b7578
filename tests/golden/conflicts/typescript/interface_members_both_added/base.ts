export interface Basket {
  items: Item[];
}
