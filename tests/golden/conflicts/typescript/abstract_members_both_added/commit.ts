export abstract class Shape {
  abstract area(): number;

  protected describe(): string {
    return `a shape`;
  }
}
