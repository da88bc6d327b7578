export namespace Shop {
  export type Id = string;
}
