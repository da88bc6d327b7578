export type Id = string;

export type Name = string;

export function parse(id: Id): number {
  return Number(id);
}
