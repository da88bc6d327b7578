export namespace Shop {
  export type Id = string;
  export interface Row { id: Id }
  export type Money = number;
}
