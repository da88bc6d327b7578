export function get(key: string): string;
export function get(key: any): any {
  return key;
}
