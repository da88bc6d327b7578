export abstract class Shape {
  abstract area(): number;

  abstract scale(by: number): Shape;
}
