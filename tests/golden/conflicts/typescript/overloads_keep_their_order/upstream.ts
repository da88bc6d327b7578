export function get(key: string): string;
export function get(key: number): number;
export function get(key: any): any {
  return key;
}
