export namespace Shop {
  export type Id = string;
  export type Money = number;
}
