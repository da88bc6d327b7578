export type Id = string;

export function parse(id: Id): number {
  return Number(id);
}
