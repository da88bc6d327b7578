export function get(key: string): string;
export function get(key: Date): Date;
export function get(key: any): any {
  return key;
}
