export interface Basket {
  items: Item[];
  total: number;
  owner: string;
}
