export interface Basket {
  items: Item[];
  owner: string;
}
